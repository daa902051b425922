package process

// Said is what an error shows of what a program wrote to standard error.
func Said(stderr, stdout string) string {
	var t tail
	_, _ = t.Write([]byte(stderr))
	return t.shown("", []byte(stdout))
}

// Kept is how many bytes are kept of standard error, after so many pieces of it.
func Kept(piece string, pieces int) int {
	var t tail
	for range pieces {
		_, _ = t.Write([]byte(piece))
	}
	return cap(t.kept)
}
