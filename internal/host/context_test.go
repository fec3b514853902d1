package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/outcome"
)

func TestContext(t *testing.T) {
	var log bytes.Buffer
	var activated, stopped *host.Context
	w := newWorldOn(t, host.Options{Kind: "account", Factory: making(func(string) *entity {
		return &entity{
			activate: func(c *host.Context) error { activated = c; return nil },
			handle: func(c *host.Context) {
				c.Log().Info("seen")
				h, ok := c.Header("h")
				_, no := c.Header("none")
				m := c.Message()
				c.Call().Reply(fmt.Append(nil, c.Key(), c.Kind(), c.Shard(), h, ok, no, m.Type, m.Key, string(m.Data), c.Self().Id), nil)
			},
			passivate: func(c *host.Context) {
				stopped = c
				if c.Key() != "k" || c.Err() != nil {
					t.Errorf("in the stop hook: key %q, %v", c.Key(), c.Err())
				}
			},
		}
	})}, slog.New(slog.NewTextHandler(&log, nil)), -1)
	c := newCall()
	w.deliver(7, "k", c, host.Message{Type: "type", Key: "k", Data: []byte("data"), Headers: map[string]string{"h": "v"}})
	got, err := c.settled(t)
	if want := "k" + "account" + "7" + "v" + "true" + "false" + "type" + "k" + "data" + "clstr-1/7/k"; got != want && got != fmt.Sprint("k", "account", uint32(7), "v", true, false, "type", "k", "data", "clstr-1/7/k") || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if activated.Key() != "k" || activated.Message().Type != "" || activated.Call().AwaitsReply() || !errors.Is(activated.Err(), context.Canceled) {
		t.Error("the context of the activation is not a plain one")
	}
	if s := log.String(); !strings.Contains(s, "seen kind=account shard=7 key=k") {
		t.Errorf("logged %q", s)
	}
	w.stop()
	if !errors.Is(stopped.Err(), context.Canceled) {
		t.Error("the context of a hook does not end with it")
	}
}

// TestPassivate: the entity leaves after the message, whether others wait or
// not, and however often it says so.
func TestPassivate(t *testing.T) {
	made := 0
	w := newWorld(t, host.Options{Factory: making(func(string) *entity {
		made++
		n := made
		return &entity{handle: func(c *host.Context) {
			c.Passivate()
			c.Passivate()
			c.Call().Reply(fmt.Append(nil, n), nil)
		}}
	})})
	var calls []*call
	for range 5 {
		calls = append(calls, w.send("k", "go"))
	}
	for i, c := range calls {
		if got, err := c.settled(t); got != fmt.Sprint(i+1) || err != nil {
			t.Errorf("message %d: %q, %v", i, got, err)
		}
	}
	eventually(t, "the key has gone", func() bool { return w.Active() == 0 })
}

type (
	Add   struct{ N int }
	Note  struct{ Text string }
	Other struct{}
)

type adder struct {
	sum   int
	notes []string
}

func (a *adder) Add(_ *actor.Context, m Add) (int, error) {
	if m.N < 0 {
		return 0, errBroken
	}
	a.sum += m.N
	return a.sum, nil
}
func (a *adder) Note(_ *actor.Context, m *Note) error {
	a.notes = append(a.notes, m.Text)
	if m.Text == "" {
		return errBroken
	}
	return nil
}
func (a *adder) Bad(*actor.Context, Other) (chan int, error) { return make(chan int), nil }
func (a *adder) hook(*actor.Context) error                   { return nil }

func TestDefine(t *testing.T) {
	d := actor.Define("adder", func(string) *adder { return &adder{} },
		actor.OnRequest((*adder).Add), actor.OnRequest((*adder).Bad), actor.OnNotify((*adder).Note))
	if d.Kind() != "adder" {
		t.Error(d.Kind())
	}
	w := newWorld(t, host.Options{Factory: d.New})
	for _, c := range []struct {
		typ, data, want string
		err             error
	}{
		{"Add", `{"N":2}`, "2", nil}, {"Add", `{"N":3}`, "5", nil}, {"Add", `{"N":-1}`, "", errBroken},
		{"Add", `{`, "", outcome.ErrDecode}, {"Unheard", ``, "", outcome.ErrUnknownType}, {"Other", `{}`, "", outcome.ErrReply},
		{"Note", `{"Text":"x"}`, "", nil}, {"Note", `{"Text":""}`, "", errBroken}, {"Note", `]`, "", outcome.ErrDecode},
		{"Add", `{"N":0}`, "5", nil},
	} {
		call := w.sendData("k", c.typ, []byte(c.data))
		got, err := call.settled(t)
		if got != c.want || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
			t.Errorf("%s %s: %q, %v; want %q, %v", c.typ, c.data, got, err, c.want, c.err)
		}
		call.check(t)
	}
	if _, err := actor.Define("none", func(string) *adder { return nil }).New("k"); err == nil {
		t.Error("a definition that makes nothing gives no error")
	}
}

type Both struct{ N int } // a request and a notification

func (*adder) ask(*actor.Context, Both) (Both, error) { return Both{}, nil }
func (*adder) tell(*actor.Context, Both) error        { return nil }

func TestDefinePanics(t *testing.T) {
	for want, options := range map[string][]actor.Option{
		"clstr: Define: message type Add has two methods":                                        {actor.OnRequest((*adder).Add), actor.OnRequest((*adder).Add)},
		"clstr: Define: message type Both has two methods":                                       {actor.OnRequest((*adder).ask), actor.OnNotify((*adder).tell)},
		"clstr: Define: OnActivate has two methods":                                              {actor.OnActivate((*adder).hook), actor.OnActivate((*adder).hook)},
		"clstr: Define: OnPassivate has two methods":                                             {actor.OnPassivate((*adder).hook), actor.OnPassivate((*adder).hook)},
		"clstr: Define: message type Go is a method of *host_test.beat, not of *host_test.adder": {actor.OnRequest((*beat).Go)},
		"clstr: Define: OnActivate is a method of *host_test.beat, not of *host_test.adder":      {actor.OnActivate((*beat).start)},
		"clstr: Define: Every is a method of *host_test.beat, not of *host_test.adder":           {actor.Every(1, (*beat).tick)},
		"clstr: Every: the period must be positive, not 0s":                                      {actor.Every(0, (*adder).hook)},
		"clstr: PassivateAfter: the time must be positive, not -1ns":                             {actor.PassivateAfter(-1)},
		"clstr: Define: type struct {} has no name: give it a MessageType method, or send bytes with an explicit type": {
			actor.OnNotify(func(*adder, *actor.Context, struct{}) error { return nil })},
	} {
		func() {
			defer func() {
				if got := recover(); got != want {
					t.Errorf("panicked with %v\nwant %s", got, want)
				}
			}()
			actor.Define("adder", func(string) *adder { return nil }, options...)
		}()
	}
}
