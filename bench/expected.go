package bench

// Expectation is what a call of stschain is expected to cost. The guard, TestGuard, fails if it costs more: a change that
// costs, or saves, edits the table below, and its commit says why.
type Expectation struct {
	Name   string  // of the comparison
	Allocs int     // exact, over those of Base
	Ratio  float64 // (stschain - Base) / (Floor - Base), of minima on a processor with SHA instructions
	Floor  string  // what cannot be avoided
	Base   string  // what is left out of both; empty is nothing
}

// Slack is how many times a Ratio may be exceeded: machines differ, and are busy.
const Slack = 1.5

// Expected is the table of the guard, measured with ExpectedWith.
var Expected = []Expectation{
	{"CacheHit", 0, 1.07, "time.Now", ""},
	{"PoolHit/goroutines=1", 0, 1.2, "RWMutex", ""},
	{"SignAssumeRole/keys=static", 3, 1.75, "sha256", "unsign"},
	{"SignAssumeRole/keys=temporary", 3, 1.55, "sha256", "unsign"},
	{"SignSigV4a", 62, 1.1, "ecdsa", ""},
	{"PresignGetCallerIdentity/keys=static", 11, 4, "sha256", ""},
	{"PresignGetCallerIdentity/keys=temporary", 11, 2.8, "sha256", ""},
	{"Transport/wire=none", 8, 2, "sha256", "plain"},
	{"Transport/wire=loopback", 66, 1.2, "plain", ""},
	{"AssumeRole", 199, 1.67, "net/http", ""},
	{"ColdProcess/env", 0, 0.6, "aws", "plain"},
	{"ColdProcess/irsa", 0, 0.6, "aws", "plain"},
}

// Sizes are how many bytes of code and data programs of bench/size have over the plain one. They may exceed that by SizeSlack.
var Sizes = map[string]int64{
	"stschain":        426_838,
	"stschaindefault": 1_811_511,
	"valkeystore":     1_561_227,
}

// SizeSlack is how many times a size may be exceeded.
const SizeSlack = 1.02

// ExpectedWith is the release of Go whose allocations and sizes these are. With others they are not checked.
const ExpectedWith = "go1.26"
