package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// row is a row of the table: what was measured, and the figure to reach.
type row struct {
	what                    string
	floor, ours, sdk, minio string
	required                string // empty: nothing
	holds                   bool
}

// table renders rows as Markdown.
func table(rows []row) string {
	var b strings.Builder
	b.WriteString("| what | floor | stschain | AWS SDK | minio-go | figure | reached |\n|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		holds := ""
		switch {
		case r.required == "":
		case r.holds:
			holds = "yes"
		default:
			holds = "**no**"
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join([]string{r.what, r.floor, r.ours, r.sdk, r.minio, r.required, holds}, " | "))
	}
	return b.String()
}

// compared is a comparison with its floor: cells are multiples of it, by minima, and by medians in parentheses.
type compared struct {
	all         map[string]figure
	floor, base string
}

func (m *measured) compare(name, floor, base string) compared {
	return compared{m.of(name), floor, base}
}

// times is how many times the floor an implementation takes; without the base in both.
func (c compared) times(impl string) float64 {
	return (c.all[impl].Min - c.all[c.base].Min) / (c.all[c.floor].Min - c.all[c.base].Min)
}

func (c compared) cell(impl string) string {
	if _, ok := c.all[impl]; !ok {
		return ""
	}
	medians := (c.all[impl].Median - c.all[c.base].Median) / (c.all[c.floor].Median - c.all[c.base].Median)
	return fmt.Sprintf("%.2f x (%.2f)", c.times(impl), medians)
}

// cellWithAllocs adds the allocations over those of the base.
func (c compared) cellWithAllocs(impl string) string {
	cell := c.cell(impl)
	if cell == "" {
		return ""
	}
	return cell + ", " + allocations(c.allocs(impl))
}

func (c compared) allocs(impl string) int { return c.all[impl].Allocs - c.all[c.base].Allocs }

func (c compared) row(what, floor, required string, holds bool, cell func(string) string) row {
	took := time.Duration(c.all[c.floor].Min - c.all[c.base].Min)
	return row{
		what: what, floor: fmt.Sprintf("%s: %v", floor, about(took)),
		ours: cell("stschain"), sdk: cell("aws"), minio: cell("minio"), required: required, holds: holds,
	}
}

// rows compares the measured figures with the required ones.
func (m *measured) rows() []row {
	var paced []row
	if len(m.paced) > 0 {
		paced = []row{m.pacedCallers()}
	}
	return slices.Concat(
		m.hits(),
		paced,
		m.signing(),
		[]row{m.assumeRole()},
		m.coldStarts(),
		[]row{m.programSize(), m.defaultChainSize(), m.sharedSize(), m.uploadHeap(), m.uploadCPU(), m.signGiB()},
	)
}

func (m *measured) hits() []row {
	hit := m.compare("CacheHit", "time.Now", "")
	both := m.compare("CacheHitParallel", "time.Now", "")
	rows := []row{
		hit.row("cache hit", "time.Now()", "at most 1.1 x, 0 allocs, faster than both",
			hit.times("stschain") <= 1.1 && hit.allocs("stschain") == 0 &&
				hit.times("stschain") < min(hit.times("aws"), hit.times("minio")), hit.cellWithAllocs),
		both.row("cache hit, on 2 cores at once", "time.Now()", "at most 1.25 x", both.times("stschain") <= 1.25, both.cell),
	}
	for _, cores := range []int{1, 2} {
		pool := m.compare(fmt.Sprintf("PoolHit/goroutines=%d", cores), "map", "")
		r := pool.row(fmt.Sprintf("hit in a pool of %d roles, random keys, goroutines: %d", m.poolKeys, cores), "a map read",
			"at most 1.5 x a map with an RWMutex over the same caches", pool.times("stschain") <= 1.5*pool.times("RWMutex"), pool.cell)
		r.ours += fmt.Sprintf("; map with an RWMutex %s; one Cache %s", pool.cell("RWMutex"), pool.cell("one Cache"))
		rows = append(rows, r)
	}
	return rows
}

func (m *measured) signing() []row {
	sign := func(what, name, floor, base, required string, holds func(c compared) bool) row {
		c := m.compare(name, floor, base)
		return c.row(what, "SHA-256", required, required != "" && holds(c), c.cellWithAllocs)
	}
	return []row{
		sign("sign an AssumeRole POST, long-lived keys", "SignAssumeRole/keys=static", "sha256", "unsign", "", nil),
		sign("sign an AssumeRole POST, temporary keys", "SignAssumeRole/keys=temporary", "sha256", "unsign",
			"at most 1.55 x, 3 allocs; the SDK at least 2.5 x as long", func(c compared) bool {
				return c.times("stschain") <= 1.55 && c.allocs("stschain") <= 3 && c.times("aws") >= 2.5*c.times("stschain")
			}),
		sign("presign GetCallerIdentity, long-lived keys", "PresignGetCallerIdentity/keys=static", "sha256", "", "", nil),
		sign("presign GetCallerIdentity, temporary keys", "PresignGetCallerIdentity/keys=temporary", "sha256", "",
			"18 allocs; the SDK at least 5 x as long", func(c compared) bool {
				return c.allocs("stschain") <= 18 && c.times("aws") >= 5*c.times("stschain")
			}),
		sign("Transport over a plain request with 1 kB, no network", "Transport/wire=none", "sha256", "plain",
			"at most 2 x, 9 allocs", func(c compared) bool { return c.times("stschain") <= 2 && c.allocs("stschain") <= 9 }),
	}
}

func (m *measured) assumeRole() row {
	c := m.compare("AssumeRole", "net/http", "")
	r := c.row("AssumeRole over loopback", "net/http", "at most 1.6 x, 200 allocs",
		c.times("stschain") <= 1.6 && c.allocs("stschain") <= 200, c.cellWithAllocs)
	r.floor += ", " + allocations(c.allocs("net/http"))
	return r
}

// coldStarts shows what a process takes over one that only makes the request, which is the same in all settings: its
// minimum is that over all of them.
func (m *measured) coldStarts() []row {
	settings := []struct{ name, what string }{{"env", "keys in the environment"}, {"irsa", "web identity (IRSA)"}, {"role", "profile with a role"}}
	plain := math.Inf(1)
	for _, s := range settings {
		if f, ok := m.of("ColdProcess/" + s.name)["plain"]; ok {
			plain = min(plain, f.Min)
		}
	}
	var rows []row
	for _, s := range settings {
		all := m.of("ColdProcess/" + s.name)
		cell := func(impl string) string {
			return fmt.Sprintf("+%v (%v)", about(time.Duration(all[impl].Min-plain)), about(time.Duration(all[impl].Median-all["plain"].Median)))
		}
		r := row{what: "process that assumes a role, cold: " + s.what, floor: fmt.Sprintf("plain request: %v", about(time.Duration(plain))),
			ours: cell("stschain"), sdk: cell("aws")}
		if s.name != "role" {
			r.required, r.holds = "at most half of what the SDK adds", all["stschain"].Min-plain <= (all["aws"].Min-plain)/2
		}
		rows = append(rows, r)
	}
	return rows
}

func (m *measured) pacedCallers() row {
	late := func(impl, unit string) time.Duration {
		return time.Duration(median(m.paced, "PacedCallers/impl="+impl+"-2", unit))
	}
	cell := func(impl string) string {
		return fmt.Sprintf("%v (median %v)", about(late(impl, "p99.99-ns")), about(late(impl, "p50-ns")))
	}
	return row{
		what: "64 callers, a call a millisecond each, while credentials are refreshed: p99.99", floor: "no cache: " + cell("none"),
		ours: cell("stschain"), sdk: cell("aws") + "; with an ExpiryWindow " + cell("aws-window"),
		required: "below 1 ms, or twice that of no cache", holds: late("stschain", "p99.99-ns") < max(time.Millisecond, 2*late("none", "p99.99-ns")),
	}
}

func (m *measured) programSize() row {
	return row{
		what: "program that assumes a role, stripped", floor: fmt.Sprintf("net/http and encoding/xml: %d kB", m.sizes["plain"].Bytes/1000),
		ours: m.size("stschain"), sdk: m.size("awssts"), minio: m.size("minio"),
		required: "at most 300 kB more, golang.org/x/sync only",
		holds:    m.over("stschain") <= 300_000 && slices.Equal(m.sizes["stschain"].Modules, []string{"golang.org/x/sync"}),
	}
}

func (m *measured) defaultChainSize() row {
	return row{
		what: "the same on the default chain", ours: m.size("stschaindefault"), sdk: m.size("awsconfig"),
		required: "at most 1,620 kB more", holds: m.over("stschaindefault") <= 1_620_000,
	}
}

func (m *measured) sharedSize() row {
	return row{
		what: "the same, shared by valkeystore", ours: m.size("valkeystore"),
		required: "at most 1.3 MB more", holds: m.over("valkeystore") <= 1_300_000,
	}
}

// over is how many bytes a program is larger than the plain one.
func (m *measured) over(name string) int64 { return m.sizes[name].Bytes - m.sizes["plain"].Bytes }

func (m *measured) size(name string) string {
	modules := len(m.sizes[name].Modules)
	if modules == 1 {
		return fmt.Sprintf("%d kB more, 1 module", m.over(name)/1000)
	}
	return fmt.Sprintf("%d kB more, %d modules", m.over(name)/1000, modules)
}

func (m *measured) uploadHeap() row {
	peak := func(impl string) float64 { return m.upload["UploadGiB/impl="+impl+"-2"]["peak-B"] / 1e6 }
	return row{
		what: "1 GiB from a file through Transport: peak heap", floor: fmt.Sprintf("net/http: %.1f MB", peak("plain")),
		ours:     fmt.Sprintf("%.1f MB", peak("stschain")),
		required: "constant memory", holds: peak("stschain") < 4, // where the garbage collector begins to work
	}
}

func (m *measured) uploadCPU() row {
	cpu := m.of("UploadCPU")
	more := cpu["stschain"].Min - cpu["plain"].Min
	return row{
		what:  "the same: CPU time for 1 GiB, with the server's",
		floor: fmt.Sprintf("net/http: %v, SHA-256: %v", cpu["plain"].duration(), cpu["sha256"].duration()),
		ours:  fmt.Sprintf("%v more", about(time.Duration(more))), required: "at most 1.4 x SHA-256 more",
		holds: more <= 1.4*cpu["sha256"].Min,
	}
}

func (m *measured) signGiB() row {
	c := m.compare("SignGiB", "sha256", "")
	return c.row("CPU time of signing 1 GiB in bodies of 1 MiB, not sent", "SHA-256", "", false, c.cell)
}

func allocations(n int) string {
	if n == 1 {
		return "1 alloc"
	}
	return fmt.Sprintf("%d allocs", n)
}

// about rounds to three digits.
func about(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d.Abs() >= 1000*unit {
		unit *= 10
	}
	return d.Round(unit)
}
