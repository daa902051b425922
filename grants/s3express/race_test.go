//go:build race

package s3express_test

const raceEnabled = true
