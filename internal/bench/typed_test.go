package bench

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cluster/cborcodec"
)

// text is a JSON message, and textNote one to tell: their payload is a string.
type (
	text     struct{ Text string }
	textNote struct{ Text string }
)

// cborText and cborNote are the same in CBOR.
type (
	cborText text
	cborNote textNote
)

func (cborText) MessageCodec() string { return cborcodec.Name }
func (cborNote) MessageCodec() string { return cborcodec.Name }

type typed struct{}

// typedKind echoes requests in JSON, CBOR and protobuf. note is called at each notification.
func typedKind(note func()) *actor.Definition[typed] {
	return actor.Define("typed", func(string) *typed { return &typed{} },
		actor.OnRequest(func(_ *typed, _ *actor.Context, m text) (text, error) { return m, nil }),
		actor.OnRequest(func(_ *typed, _ *actor.Context, m cborText) (cborText, error) { return m, nil }),
		actor.OnRequest(func(_ *typed, _ *actor.Context, m *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
			return m, nil
		}),
		actor.OnNotify(func(*typed, *actor.Context, textNote) error { note(); return nil }),
		actor.OnNotify(func(*typed, *actor.Context, cborNote) error { note(); return nil }),
		actor.OnNotify(func(*typed, *actor.Context, *wrapperspb.BytesValue) error { note(); return nil }))
}

func askJSON(to *cluster.ScopedClient, s string) error {
	_, err := cluster.NewRequest[text, text](to).Request(context.Background(), text{s})
	return err
}

func askCBOR(to *cluster.ScopedClient, s string) error {
	_, err := cluster.NewRequest[cborText, cborText](to).Request(context.Background(), cborText{s})
	return err
}

func askProto(to *cluster.ScopedClient, s string) error {
	m := &wrapperspb.StringValue{Value: s}
	_, err := cluster.NewRequest[*wrapperspb.StringValue, wrapperspb.StringValue](to).Request(context.Background(), m)
	return err
}

// users are clients of the typed keys, which are active afterwards.
func (s setup) users(b *testing.B) []*cluster.ScopedClient {
	users := make([]*cluster.ScopedClient, keys)
	for k := range users {
		users[k] = s.client.Kind("typed").Key("key-" + strconv.Itoa(k))
		if err := askJSON(users[k], ""); err != nil {
			b.Fatal(err)
		}
	}
	return users
}

// processes are those whose processor time counts: this one, and those that it has started.
var processes = map[int]bool{os.Getpid(): true}

// processorTime is what processors have spent on all processes, to ten milliseconds. It is 0
// where there is no /proc.
func processorTime() (sum time.Duration) {
	for pid := range processes {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			return 0
		}
		_, after, _ := strings.Cut(string(stat), ") ") // the name before it may have blanks
		fields := strings.Fields(after)
		for _, ticks := range fields[11:13] { // user and system time, a hundred a second
			n, err := strconv.ParseInt(ticks, 10, 64)
			if err != nil {
				return 0
			}
			sum += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return sum
}

func reportProcessor(b *testing.B, began time.Duration, operations int) {
	if now := processorTime(); now > 0 {
		b.ReportMetric(float64((now-began).Nanoseconds())/1e3/float64(operations), "cpu-us/op")
	}
}
