"""Steps of preparation that sound streams through."""
