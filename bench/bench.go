// Package bench measures stschain next to its peers: the AWS SDK for Go v2,
// minio-go, and net/http or time.Now alone, which are the floor. It is a module
// of its own, so that nothing that uses stschain sees those.
//
//	go run ./report            # all of it, as the table that README shows; about 7 minutes
//	go run ./report -short     # fewer rounds; under 3 minutes
//	go test ./...              # what does not depend on time: allocations, sizes, linked modules
//
// The report runs the benchmarks of this package in several rounds and takes
// the median of each round, since machines are noisy: only figures of
// one round are compared with each other. They are ordinary benchmarks, and their
// names are what benchstat expects:
//
//	go test -run '^$' -bench 'CacheHit|Sign|AssumeRole' -cpu 1,2 -count 10 | tee new
//	benchstat -col /impl new
//
// Temporary credentials have a session token as long as those of STS are. It is
// half of what is hashed, so signing is measured with it (keys=temporary) and
// without (keys=static). AssumeRole is called with static keys.
package bench
