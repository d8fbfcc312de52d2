"""Mail over SMTP: the channel that `notification_activity` sends alerts through."""
