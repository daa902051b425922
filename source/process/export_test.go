package process

// Said is what is told of what a program wrote to standard error.
func Said(stderr, stdout string) string {
	var t tail
	_, _ = t.Write([]byte(stderr))
	return t.shown("", []byte(stdout))
}
