package howto_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// docs/howto/call-another.md

type (
	Customer struct {
		credit int64
		told   int
	}
	Reserve  struct{ Amount int64 }
	Credit   struct{ Left int64 }
	Reminder struct{}
	Told     struct{}
	Times    struct{ N int }

	Invoice struct{ paid int64 }
	Pay     struct {
		By     string
		Amount int64
	}
	Paid  struct{ Total int64 }
	Offer struct {
		To     string
		Amount int64
	}
)

var (
	errNoCredit = errors.New("not enough credit")
	errNoAnswer = errors.New("the customer has not answered")
)

func init() {
	cluster.RegisterError("invoice.no_credit", errNoCredit)
	cluster.RegisterError("invoice.no_answer", errNoAnswer)
}

func (c *Customer) Reserve(_ *actor.Context, m Reserve) (Credit, error) {
	if m.Amount > c.credit {
		return Credit{c.credit}, errNoCredit
	}
	c.credit -= m.Amount
	return Credit{c.credit}, nil
}

func (c *Customer) Remind(*actor.Context, Reminder) error {
	c.told++
	return nil
}

func (c *Customer) Told(*actor.Context, Told) (Times, error) { return Times{c.told}, nil }

// Pay asks the customer, and waits. Other messages of this invoice wait meanwhile.
func (i *Invoice) Pay(c *actor.Context, m Pay) (Paid, error) {
	customer := clstr.From(c).Key(customers, m.By)
	if _, err := clstr.Ask[Credit](c, customer, Reserve{m.Amount}); err != nil { // c, so that deadline and circle are known
		return Paid{}, err // with its code: errors.Is holds at the first caller
	}
	i.paid += m.Amount
	return Paid{i.paid}, nil
}

// Offer asks the customer, and waits for two seconds at most.
func (i *Invoice) Offer(c *actor.Context, m Offer) (Credit, error) {
	ctx, cancel := context.WithTimeout(c, 2*time.Second) // made from c
	defer cancel()
	credit, err := clstr.Ask[Credit](ctx, clstr.From(c).Key(customers, m.To), Reserve{m.Amount})
	if errors.Is(err, context.DeadlineExceeded) && c.Err() == nil { // the two seconds, not the first caller's time
		return Credit{}, errNoAnswer
	}
	return credit, err
}

var (
	customers = actor.Define("customer", func(string) *Customer { return &Customer{credit: 100} },
		actor.OnRequest((*Customer).Reserve), actor.OnNotify((*Customer).Remind), actor.OnRequest((*Customer).Told))
	invoices = actor.Define("invoice", func(string) *Invoice { return &Invoice{} },
		actor.OnRequest((*Invoice).Pay), actor.OnRequest((*Invoice).Offer))
)

func TestCallAnother(t *testing.T) {
	svc := testkit.Open(t, customers, invoices)
	invoice := svc.Key(invoices, "2026-1")
	if paid, err := clstr.Ask[Paid](t.Context(), invoice, Pay{"ada", 60}); err != nil || paid.Total != 60 {
		t.Errorf("%v, %v", paid, err)
	}
	if _, err := clstr.Ask[Paid](t.Context(), invoice, Pay{"ada", 60}); !errors.Is(err, errNoCredit) {
		t.Errorf("got %v", err)
	}
}

func TestLessTimeForTheSecondCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := actor.Define("customer", func(string) *Customer { return &Customer{} },
			actor.OnRequest(func(_ *Customer, c *actor.Context, _ Reserve) (Credit, error) {
				<-c.Done() // the two seconds have reached it
				return Credit{}, c.Err()
			}))
		svc := testkit.Open(t, silent, invoices)
		start := time.Now()
		_, err := clstr.Ask[Credit](t.Context(), svc.Key(invoices, "2026-1"), Offer{"ada", 60})
		if took := time.Since(start); !errors.Is(err, errNoAnswer) || cluster.OutcomeOf(err) != cluster.RanAndFailed || took != 2*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		_, err = clstr.Ask[Credit](t.Context(), svc.Key(invoices, "ada"), Offer{"ada", 60})
		if !errors.Is(err, errNoAnswer) {
			t.Errorf("got %v", err)
		}
	})
}

// remind tells many customers, and waits once. The error names those that were not told.
func remind(ctx context.Context, svc *clstr.Service, names []string) error {
	receipts := make([]*cluster.Receipt, len(names))
	for i, name := range names {
		receipts[i] = clstr.TellAsync(ctx, svc.Key(customers, name), Reminder{})
	}
	var errs []error
	for i, receipt := range receipts {
		if err := receipt.Wait(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", names[i], err))
		}
	}
	return errors.Join(errs...)
}

func TestTellMany(t *testing.T) {
	svc := testkit.Open(t, customers)
	names := []string{"ada", "bob", "ada"}
	if err := remind(t.Context(), svc, names); err != nil {
		t.Fatal(err)
	}
	if told, err := clstr.Ask[Times](t.Context(), svc.Key(customers, "ada"), Told{}); err != nil || told.N != 2 {
		t.Errorf("%v, %v", told, err)
	}
	if err := remind(t.Context(), svc, []string{""}); !errors.Is(err, cluster.ErrKeyRequired) {
		t.Errorf("got %v", err)
	}
}

// A circle: the left asks the right, which asks the left.
type (
	Mirror  struct{ seen int }
	Look    struct{ At string }
	Glance  struct{ By string }
	Seen    struct{ Times int }
	Glimpse struct{}
)

func (m *Mirror) Look(c *actor.Context, l Look) (Seen, error) {
	return clstr.Ask[Seen](c, clstr.From(c).Kind("mirror").Key(l.At), Look{At: c.Key()})
}

// Glance notifies in place of asking: the other goes on with it on a turn of its own.
func (m *Mirror) Glance(c *actor.Context, g Glance) (Seen, error) {
	err := clstr.Tell(c, clstr.From(c).Kind("mirror").Key(g.By), Glimpse{})
	return Seen{m.seen}, err
}

func (m *Mirror) Glimpse(*actor.Context, Glimpse) error {
	m.seen++
	return nil
}

var mirrors = actor.Define("mirror", func(string) *Mirror { return &Mirror{} },
	actor.OnRequest((*Mirror).Look), actor.OnRequest((*Mirror).Glance), actor.OnNotify((*Mirror).Glimpse))

func TestCircle(t *testing.T) {
	svc := testkit.Open(t, mirrors)
	_, err := clstr.Ask[Seen](t.Context(), svc.Key(mirrors, "left"), Look{At: "right"})
	if !errors.Is(err, cluster.ErrCircle) {
		t.Errorf("got %v", err)
	}
	for want := range 2 { // a glance of the left reaches the left, and is seen afterwards
		if seen, err := clstr.Ask[Seen](t.Context(), svc.Key(mirrors, "left"), Glance{By: "left"}); err != nil || seen.Times != want {
			t.Errorf("%v, %v; want %d", seen, err, want)
		}
	}
}
