package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr/cluster"
)

type touch struct{}

type named struct{ Text string }

func (named) MessageType() string { return "test.Named" }

type namedByPointer struct{}

func (*namedByPointer) MessageType() string { return "test.ByPointer" }

type getUser struct {
	ID string `json:"id"`
}

// The reference document's way to name a message. Only the package that declares
// it can call it; the bare name of the type is the same.
func (getUser) messageType() string { return "getUser" }

var _ = getUser.messageType

type userResponse struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func typeOf(_ context.Context, env cluster.Envelope) ([]byte, error) { return []byte(env.Type), nil }

func TestMessageTypes(t *testing.T) {
	client := serve(t, typeOf)
	for _, c := range []struct {
		message any
		want    string
	}{
		{getUser{}, "getUser"},
		{&getUser{}, "getUser"},
		{named{}, "test.Named"},
		{&named{}, "test.Named"},
		{namedByPointer{}, "test.ByPointer"},
		{&namedByPointer{}, "test.ByPointer"},
		{wrapperspb.String("x"), "google.protobuf.StringValue"},
		{cluster.GetNodeInfoRequest{}, cluster.MsgClusterNodeInfo},
	} {
		got, err := client.Key("k").Request(t.Context(), c.message)
		if err != nil {
			t.Errorf("%T: %v", c.message, err)
		} else if c.want != cluster.MsgClusterNodeInfo && string(got) != c.want {
			t.Errorf("%T is named %q, want %q", c.message, got, c.want)
		}
	}
}

func TestTypedRequests(t *testing.T) {
	client := serve(t, func(_ context.Context, env cluster.Envelope) ([]byte, error) {
		var req getUser
		if err := json.Unmarshal(env.Data, &req); err != nil {
			return nil, err
		}
		return json.Marshal(userResponse{ID: req.ID, Name: "User " + req.ID})
	})
	want := userResponse{"123", "User 123"}
	byValue, err := cluster.NewRequest[getUser, userResponse](client.Key("user-123")).Request(t.Context(), getUser{"123"})
	if err != nil || *byValue != want {
		t.Errorf("by value: got %v, %v", byValue, err)
	}
	byPointer, err := cluster.NewRequest[*getUser, *userResponse](client.Shard(3)).Request(t.Context(), &getUser{"123"})
	if err != nil || **byPointer != want {
		t.Errorf("by pointer: got %v, %v", byPointer, err)
	}
}

func TestProtobufMessages(t *testing.T) {
	client := serve(t, echoData)
	scoped := client.Key("k")
	a, err := cluster.NewRequest[*wrapperspb.StringValue, wrapperspb.StringValue](scoped).Request(t.Context(), wrapperspb.String("hello"))
	if err != nil || a.GetValue() != "hello" {
		t.Errorf("got %v, %v", a, err)
	}
	b, err := cluster.NewRequest[*wrapperspb.Int64Value, *wrapperspb.Int64Value](scoped).Request(t.Context(), wrapperspb.Int64(42))
	if err != nil || (*b).GetValue() != 42 {
		t.Errorf("got %v, %v", b, err)
	}
	// The zero message has no bytes.
	c, err := cluster.NewRequest[*wrapperspb.StringValue, wrapperspb.StringValue](scoped).Request(t.Context(), wrapperspb.String(""))
	if err != nil || c.GetValue() != "" {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestPayloadsThatDoNotMarshal(t *testing.T) {
	tr := &fakeTransport{reply: func(context.Context, int, cluster.Envelope) ([]byte, error) { return nil, nil }}
	scoped := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4}).Key("k")
	type pipe struct{ C chan int }
	for name, send := range map[string]func() error{
		"nil":         func() error { _, err := scoped.Request(t.Context(), nil); return err },
		"notify nil":  func() error { return scoped.Notify(t.Context(), nil) },
		"nil pointer": func() error { _, err := scoped.Request(t.Context(), (*getUser)(nil)); return err },
		"nil named":   func() error { return scoped.Notify(t.Context(), (*named)(nil)) },
		"nil proto":   func() error { return scoped.Notify(t.Context(), (*wrapperspb.StringValue)(nil)) },
		"nil of a typed request": func() error {
			_, err := cluster.NewRequest[*getUser, touch](scoped).Request(t.Context(), nil)
			if err != nil && !strings.Contains(err.Error(), "*cluster_test.getUser: a nil pointer") {
				t.Errorf("%q does not name the type", err)
			}
			return err
		},
		"chan":        func() error { _, err := scoped.Request(t.Context(), pipe{make(chan int)}); return err },
		"notify chan": func() error { return scoped.Notify(t.Context(), pipe{make(chan int)}) },
		"no name":     func() error { _, err := scoped.Request(t.Context(), struct{ X int }{1}); return err },
		"typed": func() error {
			_, err := cluster.NewRequest[pipe, touch](scoped).Request(t.Context(), pipe{make(chan int)})
			return err
		},
	} {
		err := send()
		if !errors.Is(err, cluster.ErrEncode) || cluster.OutcomeOf(err) != cluster.NotSent {
			t.Errorf("%s: got %v (%v), want ErrEncode, not sent", name, err, cluster.OutcomeOf(err))
			continue
		}
		if strings.Contains(err.Error(), "  ") {
			t.Errorf("%s: %q has a gap", name, err)
		}
	}
	if n := tr.tries(); n != 0 {
		t.Errorf("%d envelopes were sent", n)
	}
}

func TestReplyThatDoesNotUnmarshal(t *testing.T) {
	for name, reply := range map[string]string{
		"no JSON": "s3cret-reply", "another type": `{"id":"s3cret-reply","name":4711}`, "cut": `{"id":"s3cret-reply`, "nothing": "",
	} {
		var counts recorder
		client := serve(t, func(context.Context, cluster.Envelope) ([]byte, error) { return []byte(reply), nil },
			func(_ *cluster.NodeOptions, o *cluster.ClientOptions) { o.Metrics = &counts })
		user, err := cluster.NewRequest[getUser, userResponse](client.Key("user-7")).Request(t.Context(), getUser{"7"})
		if user != nil {
			t.Errorf("%s: got %v beside the error", name, user)
		}
		wantError(t, err, cluster.ErrReply, cluster.RanAndFailed)
		if failed, ok := counts.count("request getUser false"), counts.count("request getUser true"); failed != 1 || ok != 0 {
			t.Errorf("%s: %d requests count as failed and %d as answered", name, failed, ok)
		}
		for _, part := range []string{"getUser", `"user-7"`, "userResponse"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not name %s", name, err, part)
			}
		}
		if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "4711") {
			t.Errorf("%s: %q has the payload", name, err)
		}
	}
}

// TestReplyIsTheCallers: a handler may use its slice again, and a caller may
// change what it has sent and what it got.
func TestReplyIsTheCallers(t *testing.T) {
	buf := make([]byte, 8)
	client := serve(t, func(_ context.Context, env cluster.Envelope) ([]byte, error) {
		n := copy(buf, env.Data)
		clear(env.Data)
		return buf[:n], nil
	})
	data := []byte("one")
	first, err := client.RequestShard(t.Context(), 1, "Echo", data)
	if err != nil || string(data) != "one" {
		t.Fatalf("sent %q, %v: the handler has changed the caller's slice", data, err)
	}
	second, err := client.RequestShard(t.Context(), 1, "Echo", []byte("two"))
	if err != nil || string(first) != "one" || string(second) != "two" {
		t.Errorf("got %q and %q, %v", first, second, err)
	}
}
