-- Who asked for a deployment; of those before this, as far as the log remembers it.
ALTER TABLE deployment ADD COLUMN requested_by TEXT NOT NULL DEFAULT '';
UPDATE deployment SET requested_by = coalesce(
    (SELECT actor FROM event WHERE event.deployment_id = deployment.id ORDER BY number LIMIT 1), '');
