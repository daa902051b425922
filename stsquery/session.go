package stsquery

// maxTokenSize bounds MinimumSessionTokenSize, in bytes.
const maxTokenSize = 4096

// Tag is a session tag. Keys that differ only in case are one key.
type Tag struct {
	Key   string // 1 to 128 letters, digits, spaces and _.:/=+-@, not beginning with aws:
	Value string // up to 256 of the same
}

func encodeTags(q *query, tags []Tag) {
	for i, t := range tags {
		q.member("Tags", i, "Key", t.Key)
		q.member("Tags", i, "Value", t.Value)
	}
}

func encodePolicyARNs(q *query, arns []string) {
	for i, arn := range arns {
		q.member("PolicyArns", i, "arn", arn)
	}
}

// AssumedRoleUser is who a session of a role is. Some servers leave it empty.
type AssumedRoleUser struct {
	ARN           string // arn:aws:sts::123456789012:assumed-role/name/session
	AssumedRoleID string // the role's unique ID, a colon, the session's name
}

func assumedRoleUserOf(result *element) AssumedRoleUser {
	e := result.child("AssumedRoleUser")
	return AssumedRoleUser{
		ARN:           e.value("Arn"),
		AssumedRoleID: e.either("AssumedRoleId", "AssumeRoleId"), // MinIO's spelling
	}
}

// sizesOf reads how much space a session's policies and tags take.
func sizesOf(result *element) (packedPolicy, token, utilization int) {
	return result.number("PackedPolicySize"), result.number("SessionTokenSize"), result.number("SessionTokenUtilization")
}
