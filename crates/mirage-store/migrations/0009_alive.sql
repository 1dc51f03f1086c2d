-- The instances that have not ended, however many have.
CREATE INDEX instance_alive ON instance (service_id) WHERE exit IS NULL;
