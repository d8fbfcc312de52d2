"""Enterprise systems over HTTP: what `enterprise_system_activity` calls."""
