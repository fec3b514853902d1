package prommetrics_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cluster/prommetrics"
)

// sample is one series: the values of its labels in order of the labels' names,
// and its value or, for a histogram, its count.
type sample struct {
	name, labels string
	value        float64
}

// gather returns all series without the common prefix.
func gather(t testing.TB, reg *prometheus.Registry) []sample {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var all []sample
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			v := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			all = append(all, sample{strings.TrimPrefix(f.GetName(), "clstr_cluster_"), strings.Join(values, ","), v})
		}
	}
	return all
}

// value returns one series' value, and -1 if there is no such series.
func value(t testing.TB, reg *prometheus.Registry, name, labels string) float64 {
	t.Helper()
	for _, s := range gather(t, reg) {
		if s.name == name && s.labels == labels {
			return s.value
		}
	}
	return -1
}

func want(t testing.TB, reg *prometheus.Registry, samples []sample) {
	t.Helper()
	for _, s := range samples {
		if v := value(t, reg, s.name, s.labels); v != s.value {
			t.Errorf("%s{%s} is %v, want %v", s.name, s.labels, v, s.value)
		}
	}
}

func TestMessageTypesFold(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := prommetrics.NewClusterMetrics(reg)
	var wg sync.WaitGroup
	for c := range 4 {
		wg.Go(func() {
			for i := range 1000 {
				name := fmt.Sprintf("type-%d", (i+c*250)%1000)
				m.RequestCompleted(name, true)
				m.RequestDuration(name).ObserveDuration()
				m.NotifyCompleted(name, false)
				m.HandlerCompleted(name, true)
				m.HandlerDuration(name).ObserveDuration()
			}
		})
	}
	wg.Wait()
	types := map[string]bool{}
	sums := map[string]float64{}
	for _, s := range gather(t, reg) {
		name := strings.Split(s.labels, ",")[1] // behind the kind
		types[name] = true
		sums[s.name] += s.value
	}
	if len(types) != 101 || !types["other"] {
		t.Errorf("%d message types are told apart, want 100 and other", len(types))
	}
	for name, sum := range sums {
		if sum != 4000 {
			t.Errorf("%s adds up to %v, want 4000", name, sum)
		}
	}
}

func TestOtherLabelsFold(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := prommetrics.NewClusterMetrics(reg)
	e := m.(cluster.EntityMetrics)
	for i := range 1000 {
		name := fmt.Sprintf("name-%d", i)
		m.TransportError(name)
		m.HandlersActive(name, 1)
		m.ShardsOwned(name, 1)
		e.Activated(name)
		m.(cluster.EntityMetrics).KeyReturned(name)
		e.CallRefused(name)
		m.(cluster.EntityMetrics).NotificationFailed(name)
		m.(cluster.ShardMetrics).ShardOpened(name, 0)
		m.(cluster.StateMetrics).ShardsWithoutState(name, 1)
		m.(cluster.MemberMetrics).MembersUnreachable(name, 1)
		m.(cluster.StateMetrics).CommitStarted(name)
		m.(cluster.StateMetrics).CommitEnded(name, "stored")
	}
	series := map[string]int{}
	for _, s := range gather(t, reg) {
		series[s.name]++
	}
	for _, name := range []string{"transport_errors_total", "handlers_active", "shards_owned", "activations_total", "returned_keys_total", "refused_calls_total", "failed_notifications_total", "shards_opened_total", "shards_without_state", "members_unreachable", "commits_total", "commits_in_flight"} {
		if series[name] != 101 {
			t.Errorf("%s has %d series, want 101", name, series[name])
		}
	}
	for _, name := range []string{"transport_errors_total", "activations_total", "returned_keys_total", "refused_calls_total", "failed_notifications_total", "shards_opened_total"} {
		want(t, reg, []sample{{name, "other", 900}})
	}
}

// TestKindsFold: each kind has message types of its own, and kinds are bounded too.
func TestKindsFold(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := prommetrics.NewClusterMetrics(reg).(cluster.CallMetrics)
	for i := range 300 {
		m.HandlerEnded("a", fmt.Sprint("type-", i), cluster.Succeeded)
		m.HandlerEnded(fmt.Sprint("kind-", i), "Get", cluster.Outcome(i%8))
	}
	m.HandlerEnded("kind-1", "Get", cluster.Outcome(1))
	want(t, reg, []sample{
		{"handlers_total", "a,type-99,succeeded,true", 1}, {"handlers_total", "a,other,succeeded,true", 200},
		{"handlers_total", "kind-1,Get,not_sent,false", 2}, {"handlers_total", "kind-7,Get,unknown,false", 1},
	})
	kinds := map[string]bool{}
	for _, s := range gather(t, reg) {
		kinds[strings.Split(s.labels, ",")[0]] = true
	}
	if len(kinds) != 101 || !kinds["other"] {
		t.Errorf("%d kinds are told apart, want 100 and other", len(kinds))
	}
}

func TestUnusableNames(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := prommetrics.NewClusterMetrics(reg)
	long := strings.Repeat("x", 100)
	for _, name := range []string{"", "none", "\xff\xfe", long + "x", "other", long} {
		m.NotifyCompleted(name, true)
	}
	want(t, reg, []sample{
		{"notifies_total", "none,none,succeeded,true", 2},
		{"notifies_total", "none,other,succeeded,true", 3},
		{"notifies_total", "none," + long + ",succeeded,true", 1},
	})
}

func TestSecondCallShares(t *testing.T) {
	reg := prometheus.NewRegistry()
	for _, to := range []prometheus.Registerer{reg, reg} {
		prommetrics.NewClusterMetrics(to).RequestCompleted("Get", true)
	}
	want(t, reg, []sample{{"requests_total", "none,Get,succeeded,true", 2}})

	labelled := prometheus.WrapRegistererWith(prometheus.Labels{"zone": "a"}, prometheus.NewRegistry())
	prommetrics.NewClusterMetrics(labelled)
	prommetrics.NewClusterMetrics(labelled)
}

func TestNilRegistererIsNotRegistered(t *testing.T) {
	m := prommetrics.NewClusterMetrics(nil)
	m.RequestCompleted("Get", true)
	m.HandlerDuration("Get").ObserveDuration()
}

func TestNameTakenPanics(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "clstr_cluster_requests_total", Help: "Another."}))
	defer func() {
		if p := fmt.Sprint(recover()); !strings.Contains(p, "clstr_cluster_requests_total") {
			t.Errorf("panicked with %q, want the name", p)
		}
	}()
	prommetrics.NewClusterMetrics(reg)
}

func TestTimerCountsOnce(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := prommetrics.NewClusterMetrics(reg)
	timer := m.RequestDuration("Get")
	timer.ObserveDuration()
	timer.ObserveDuration()
	want(t, reg, []sample{{"request_duration_seconds", "none,Get", 1}})
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	m := prommetrics.NewClusterMetrics(prometheus.NewRegistry())
	e := m.(cluster.EntityMetrics)
	none := func(f func()) { // few timers at once: under the race detector their pool forgets some
		t.Helper()
		if allocs := testing.AllocsPerRun(1000, f); allocs != 0 {
			t.Errorf("%v allocations, want none", allocs)
		}
	}
	none(func() {
		m.RequestDuration("Get").ObserveDuration()
		m.RequestCompleted("Get", true)
		m.NotifyCompleted("Get", true)
		m.HandlersActive("n", 1)
		m.HandlerDuration("Get").ObserveDuration()
		m.HandlerCompleted("Get", false)
		m.TransportError("deadline")
	})
	none(func() {
		calls := m.(cluster.CallMetrics)
		calls.RequestStarted("account", "Get").ObserveDuration()
		calls.RequestEnded("account", "Get", cluster.MaybeRan)
		calls.NotifyEnded("account", "Get", cluster.NotSent)
		calls.HandlerStarted("account", "Get").ObserveDuration()
		calls.HandlerEnded("account", "Get", cluster.RanAndFailed)
		e.CallRefused("overloaded")
		m.(cluster.ShardMetrics).ShardOpened("handoff", time.Millisecond)
		m.(cluster.ShardMetrics).ShardDrained(cluster.DrainCounts{Parked: 1})
	})
}

// BenchmarkRequest is what one request costs at both ends.
func BenchmarkRequest(b *testing.B) {
	m := prommetrics.NewClusterMetrics(prometheus.NewRegistry())
	request := func(msgType string) {
		r := m.RequestDuration(msgType)
		m.HandlersActive("n", 1)
		h := m.HandlerDuration(msgType)
		m.HandlersActive("n", 0)
		h.ObserveDuration()
		m.HandlerCompleted(msgType, true)
		m.RequestCompleted(msgType, true)
		r.ObserveDuration()
	}
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			request("Get")
		}
	})
	b.Run("folded", func(b *testing.B) {
		for i := range 200 {
			m.RequestCompleted(fmt.Sprint("type-", i), true)
		}
		b.ReportAllocs()
		for b.Loop() {
			request("type-199")
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				request("Get")
			}
		})
	})
}
