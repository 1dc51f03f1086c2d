-- A service that was rolled back is not taken forward again by the next push.
ALTER TABLE service ADD COLUMN auto_deploy_paused INTEGER NOT NULL DEFAULT 0;
