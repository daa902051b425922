package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// row is a row of the table: what was measured, and the figure of issue 3.
type row struct {
	what                    string
	floor, ours, sdk, minio string
	required                string // empty: nothing
	holds                   bool
}

// table renders rows as Markdown.
func table(rows []row) string {
	var b strings.Builder
	b.WriteString("| what | floor | stschain | AWS SDK | minio-go | required | holds |\n|---|---|---|---|---|---|---|\n")
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

// rows compares the measured figures with the required ones.
func (m *measured) rows() []row {
	return []row{
		m.cacheHit("cache hit", "CacheHit/impl=", ""),
		m.cacheHit("cache hit, on 2 cores at once", "CacheHitParallel/impl=", "-2"),
		m.scaling(),
		m.pacedCallers(),
		m.againstSDK("sign an AssumeRole POST, warm key", "SignAssumeRole/keys=static", 10),
		m.againstSDK("the same with a session token", "SignAssumeRole/keys=temporary", 10),
		m.againstSDK("presign GetCallerIdentity", "PresignGetCallerIdentity/keys=static", 40),
		m.againstSDK("the same with a session token", "PresignGetCallerIdentity/keys=temporary", 40),
		m.assumeRole(),
		m.transport(),
		m.coldStart(),
		m.programSize(),
		m.defaultChainSize(),
		m.oneGiB(),
	}
}

func (m *measured) cacheHit(what, prefix, suffix string) row {
	now := prefix + "time.Now" + suffix
	name := func(impl string) string { return prefix + impl + suffix }
	cell := func(impl string) string {
		return fmt.Sprintf("%.2f x, %s", m.times(name(impl), now), allocations(m.allocs(name(impl))))
	}
	return row{
		what: what, floor: "time.Now(): 1", ours: cell("stschain"), sdk: cell("aws"), minio: cell("minio"),
		required: "at most 1.25 x time.Now(), faster than both, 0 allocs",
		holds: m.times(name("stschain"), now) <= 1.25 && m.allocs(name("stschain")) == 0 &&
			m.times(name("stschain"), name("aws")) < 1 && m.times(name("stschain"), name("minio")) < 1,
	}
}

func (m *measured) scaling() row {
	gain := func(impl string) float64 {
		one := "CacheHitParallel/impl=" + impl
		return m.times(one, one+"-2")
	}
	cell := func(impl string) string { return fmt.Sprintf("%.2f x", gain(impl)) }
	r := row{
		what: "cache hits of 2 cores against 1", floor: "time.Now(): " + cell("time.Now"),
		ours: cell("stschain"), sdk: cell("aws"), minio: cell("minio"),
	}
	if gain("time.Now") < 1.4 { // others use the second core
		r.what += " (the machine was busy: no verdict)"
		return r
	}
	r.required, r.holds = "scales with cores", gain("stschain") >= 0.8*gain("time.Now")
	return r
}

func (m *measured) pacedCallers() row {
	late := func(impl, unit string) time.Duration {
		return time.Duration(value(m.paced, "PacedCallers/impl="+impl+"-2", unit))
	}
	cell := func(impl string) string {
		return fmt.Sprintf("%v (median %v)", about(late(impl, "p99.99-ns")), about(late(impl, "p50-ns")))
	}
	return row{
		what: "64 callers, a call a millisecond each, while credentials are refreshed: p99.99", floor: "no cache: " + cell("none"),
		ours: cell("stschain"), sdk: cell("aws") + "; with an ExpiryWindow " + cell("aws-window"),
		required: "below 1 ms", holds: late("stschain", "p99.99-ns") < time.Millisecond,
	}
}

// againstSDK compares work that has no floor but hashing, if that.
func (m *measured) againstSDK(what, benchmark string, most int) row {
	name := func(impl string) string { return benchmark + "/impl=" + impl + "-2" }
	ours := name("stschain")
	cell := func(impl string) string {
		if !m.has(name(impl)) {
			return ""
		}
		return fmt.Sprintf("%.1f x, %s", m.times(name(impl), ours), allocations(m.allocs(name(impl))))
	}
	r := row{
		what: what, ours: "1, " + allocations(m.allocs(ours)), sdk: cell("aws"), minio: cell("minio"),
		required: fmt.Sprintf("at most a third of the SDK's time, at most %d allocs", most),
		holds:    m.times(name("aws"), ours) >= 3 && m.allocs(ours) <= most,
	}
	if hashes := name("sha256"); m.has(hashes) {
		r.floor = fmt.Sprintf("SHA-256: %.2f", m.times(hashes, ours))
		r.sdk += fmt.Sprintf("; beyond SHA-256 %.1f x", median(m.rounds, func(of round) float64 {
			floor := of[hashes]["ns/op"]
			return (of[name("aws")]["ns/op"] - floor) / (of[ours]["ns/op"] - floor)
		}))
	}
	return r
}

func (m *measured) assumeRole() row {
	name := func(impl string) string { return "AssumeRole/impl=" + impl + "-2" }
	cell := func(impl string) string {
		return fmt.Sprintf("%.1f x, %s", m.times(name(impl), name("net/http")), allocations(m.allocs(name(impl))))
	}
	return row{
		what: "AssumeRole over loopback", floor: "net/http: 1, " + allocations(m.allocs(name("net/http"))),
		ours: cell("stschain"), sdk: cell("aws"), minio: cell("minio"),
		required: "at most 283 allocs", holds: m.allocs(name("stschain")) <= 283,
	}
}

func (m *measured) transport() row {
	const loopback, none = "Transport/wire=loopback/impl=", "Transport/wire=none/impl="
	more := m.allocs(loopback+"stschain-2") - m.allocs(loopback+"plain-2")
	longer := time.Duration(m.longer(none+"stschain-2", none+"plain-2"))
	hashes := time.Duration(m.longer(none+"sha256-2", none+"plain-2"))
	return row{
		what: "Transport over a plain request with 1 kB", floor: "net/http: " + allocations(m.allocs(loopback+"plain-2")),
		ours:     fmt.Sprintf("%v more, of which SHA-256 takes %v; %s more", about(longer), about(hashes), allocations(more)),
		required: "at most 3 us and 12 allocs more", holds: longer <= 3*time.Microsecond && more <= 12,
	}
}

func (m *measured) coldStart() row {
	name := func(impl string) string { return "ColdStart/impl=" + impl + "-2" }
	cell := func(impl string) string {
		return fmt.Sprintf("%.2g x, %s", m.times(name(impl), name("stschain")), allocations(m.allocs(name(impl))))
	}
	return row{
		what: "from nothing to the credentials in the environment",
		ours: "1, " + allocations(m.allocs(name("stschain"))), sdk: cell("aws"), minio: cell("minio"),
	}
}

func (m *measured) programSize() row {
	return row{
		what: "program that assumes a role, stripped", floor: fmt.Sprintf("net/http and encoding/xml: %d kB", m.sizes["plain"].Bytes/1000),
		ours: m.size("stschain"), sdk: m.size("awssts"), minio: m.size("minio"),
		required: "at most 250 kB more, golang.org/x/sync only",
		holds:    m.over("stschain") <= 250_000 && slices.Equal(m.sizes["stschain"].Modules, []string{"golang.org/x/sync"}),
	}
}

func (m *measured) defaultChainSize() row {
	return row{
		what: "the same on the default chain", ours: m.size("stschaindefault"), sdk: m.size("awsconfig"),
		required: "at most 1 MB more", holds: m.over("stschaindefault") <= 1_000_000,
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

func (m *measured) oneGiB() row {
	peak := func(impl string) float64 { return m.upload["UploadGiB/impl="+impl+"-2"]["peak-B"] / 1e6 }
	return row{
		what: "1 GiB from a file through Transport: peak heap", floor: fmt.Sprintf("net/http: %.1f MB", peak("plain")),
		ours:     fmt.Sprintf("%.1f MB", peak("stschain")),
		required: "constant memory", holds: peak("stschain") < 4, // where the garbage collector begins to work
	}
}

func allocations(n int) string {
	if n == 1 {
		return "1 alloc"
	}
	return fmt.Sprintf("%d allocs", n)
}

// about rounds to two digits.
func about(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d.Abs() >= 100*unit {
		unit *= 10
	}
	return d.Round(unit)
}
