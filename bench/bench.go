// Package bench measures stschain next to its peers, the AWS SDK for Go v2 and
// minio-go, and next to what cannot be avoided: SHA-256 of the same bytes, net/http,
// time.Now, a map read. It is a separate module, so that nothing that uses stschain
// depends on them.
//
//	go run ./report            # all of it, as the table of README.md; about 3 minutes
//	go test ./...              # the guard: allocations, ratios to the floor, sizes, linked modules
//
// Interleave measures several implementations in many short slices, in random order,
// and returns minima and medians: other work on the machine only adds to a slice, so
// minima are comparable where medians are not. Expected is the table of the guard.
//
// The same work is there as ordinary benchmarks, with the names that benchstat expects:
//
//	go test -run '^$' -bench 'CacheHit|Sign|AssumeRole' -cpu 1,2 -count 10 | tee new
//	benchstat -col /impl new
//
// Temporary credentials have a session token as long as those of STS are. It is
// half of what is hashed, so signing is measured with it (keys=temporary) and
// without (keys=static). AssumeRole is called with static keys.
package bench
