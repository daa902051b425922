package stsquery

// Tag is a session tag. Keys that differ only in case are one key.
type Tag struct {
	Key   string // 1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws:
	Value string // up to 256 of the same
}

// AssumedRoleUser identifies a session of a role. Some servers leave it empty.
type AssumedRoleUser struct {
	ARN           string // arn:aws:sts::123456789012:assumed-role/name/session
	AssumedRoleID string // the role's unique ID, a colon, the session's name
}
