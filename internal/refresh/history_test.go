package refresh_test

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/stschain-go/stschain/internal/refresh"
)

const (
	start = int64(1_800_000_000e9)

	minute = time.Minute
	second = time.Second
	ms     = time.Millisecond
)

// past is what happened so long after start. Without draws every random number is 0.
type past struct {
	at    time.Duration
	do    func(cfg refresh.Config, s refresh.State, now int64, draw [2]float64) refresh.State
	draws [2]float64
}

// drawing is p with other random numbers.
func (p past) drawing(a, b float64) past {
	p.draws = [2]float64{a, b}
	return p
}

// came is an attempt that returned an entry that then lived for so long.
func came(at time.Duration, id string, life time.Duration) past {
	return past{at: at, do: func(cfg refresh.Config, s refresh.State, now int64, draw [2]float64) refresh.State {
		return refresh.Succeed(cfg, refresh.Begin(s), refresh.Entry{ID: id, Expires: refresh.Plus(now, life)}, now, draw)
	}}
}

func failed(at time.Duration, class refresh.Class) past {
	return past{at: at, do: func(cfg refresh.Config, s refresh.State, now int64, draw [2]float64) refresh.State {
		return refresh.Fail(cfg, refresh.Begin(s), class, now, draw)
	}}
}

func rejected(at time.Duration) past {
	return past{at: at, do: func(_ refresh.Config, s refresh.State, now int64, _ [2]float64) refresh.State {
		return refresh.Reject(s, now)
	}}
}

func begun(at time.Duration) past {
	return past{at: at, do: func(_ refresh.Config, s refresh.State, _ int64, _ [2]float64) refresh.State { return refresh.Begin(s) }}
}

// after is the state after all that.
func after(cfg refresh.Config, history ...past) (s refresh.State) {
	for _, p := range history {
		s = p.do(cfg, s, start+int64(p.at), p.draws)
	}
	return s
}

// hourOld is the history of an entry that came at 0 and lives an hour: it is in its advisory window from minute
// 45 on, and in its mandatory one from minute 59 on.
func hourOld(then ...past) []past { return append([]past{came(0, "a", time.Hour)}, then...) }

// flags names what is true in a state, in alphabetical order.
func flags(s refresh.State) string {
	var names []string
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Bool && f.Bool() {
			names = append(names, v.Type().Field(i).Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// since is an instant as the time since start; the ends of the scale stay what they are.
func since(t int64) time.Duration {
	if t == refresh.Never || t == refresh.Always {
		return time.Duration(t)
	}
	return time.Duration(t - start)
}
