-- Who asks for the events of a deployment reads them, and not the log.
CREATE INDEX event_of_deployment ON event (deployment_id, number) WHERE deployment_id IS NOT NULL;
