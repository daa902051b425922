package tokenfile

// Encode is what Write writes.
func (d Document) Encode() []byte { return d.encode() }
