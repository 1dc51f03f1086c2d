-- Lists are in the order in which rows were written, which is that of their row ids: an index of one column
-- has them in it. A page of services by name is read without the rest of the table.

DROP INDEX deployment_of_service;
CREATE INDEX deployment_of_service ON deployment (service_id);
DROP INDEX instance_of_service;
CREATE INDEX instance_of_service ON instance (service_id);
CREATE INDEX service_by_name ON service (name, id);
