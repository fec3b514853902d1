package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

type booking struct{ Seats int }

var errNoSeats = errors.New("no seats")

func init() { cluster.RegisterError("cluster_test.no_seats", errNoSeats) }

func (b booking) Validate() error {
	if b.Seats <= 0 {
		return fmt.Errorf("%d seats: %w", b.Seats, errNoSeats)
	}
	return nil
}

type stamped struct {
	time.Time
	Note string
}

// TestInvalidMessages: a payload that its own method refuses, or that would lose a part
// of itself, is not sent.
func TestInvalidMessages(t *testing.T) {
	var seen atomic.Int32
	client := serve(t, func(context.Context, cluster.Envelope) ([]byte, error) { seen.Add(1); return []byte("{}"), nil })
	key := client.Key("k")
	request := func(payload any) error { _, err := key.Request(t.Context(), payload); return err }
	for _, c := range []struct {
		payload any
		says    []string
		is      error // beside ErrInvalidMessage; nil is none
	}{
		{booking{-1}, []string{"request booking to key", "invalid message: cluster_test.booking: -1 seats: no seats"}, errNoSeats},
		{&booking{}, []string{"0 seats"}, errNoSeats},
		{stamped{Note: "x"}, []string{"cluster_test.stamped cannot travel", "field Time", "Note would be lost"}, nil},
		{struct{ n int }{1}, []string{"unexported fields only (n)"}, nil},
	} {
		for what, err := range map[string]error{
			"Request": request(c.payload), "Notify": key.Notify(t.Context(), c.payload), "Notify without an ack": key.Notify(t.Context(), c.payload, cluster.WithoutAck()),
		} {
			if !errors.Is(err, cluster.ErrInvalidMessage) || cluster.CodeOf(err) != "invalid_message" || cluster.OutcomeOf(err) != cluster.NotSent ||
				c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%s of a %T: %v (%v)", what, c.payload, err, cluster.OutcomeOf(err))
				continue
			}
			for _, words := range c.says {
				if !strings.Contains(strings.Replace(err.Error(), "notify ", "request ", 1), words) {
					t.Errorf("%s of a %T: %q does not say %q", what, c.payload, err, words)
				}
			}
		}
	}
	if _, err := cluster.NewRequest[booking, stamped](key).Request(t.Context(), booking{1}); !errors.Is(err, cluster.ErrInvalidMessage) || cluster.OutcomeOf(err) != cluster.NotSent {
		t.Errorf("a reply that would lose a part: %v", err)
	}
	if n := seen.Load(); n > 0 {
		t.Errorf("%d messages were sent", n)
	}
	if err := request(booking{1}); err != nil || seen.Load() != 1 {
		t.Errorf("a valid one: %v, sent %d times", err, seen.Load())
	}
}

// TestInvalidMessagePassedOn: what a handler was refused itself is, for its caller, a
// failure of the handler, with the registered error in it.
func TestInvalidMessagePassedOn(t *testing.T) {
	var client *cluster.Client
	client = serve(t, func(ctx context.Context, _ cluster.Envelope) ([]byte, error) {
		return client.Key("other").Request(ctx, booking{})
	})
	_, err := client.RequestKey(t.Context(), "k", "ask", nil)
	if !errors.Is(err, cluster.ErrInvalidMessage) || !errors.Is(err, errNoSeats) || cluster.OutcomeOf(err) != cluster.RanAndFailed {
		t.Errorf("%v (%v)", err, cluster.OutcomeOf(err))
	}
}

type theatre struct{}

func (*theatre) take(*actor.Context, booking) (stamped, error) { return stamped{}, nil }
func (*theatre) later(*actor.Context, booking, actor.Answer[stamped]) error {
	return nil
}
func (*theatre) note(*actor.Context, stamped) error { return nil }

// TestDefineRefusesLossyMessages, so that a program that has one does not start.
func TestDefineRefusesLossyMessages(t *testing.T) {
	theatres := func(o actor.Option) func() {
		return func() { actor.Define("theatre", func(string) *theatre { return &theatre{} }, o) }
	}
	for name, f := range map[string]func(){
		"reply":    func() { theatres(actor.OnRequest((*theatre).take))() },
		"later":    func() { theatres(actor.OnRequestLater((*theatre).later))() },
		"message":  func() { theatres(actor.OnNotify((*theatre).note))() },
		"register": func() { actor.RegisterMessage[stamped]() },
	} {
		func() {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.Contains(text, "field Time") || !strings.Contains(text, "cluster_test.stamped") {
					t.Errorf("%s: panics with %q", name, text)
				}
			}()
			f()
		}()
	}
}
