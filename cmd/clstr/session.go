// The way to a cluster's records, and what is missing on it

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/cmd/clstr/internal/natsctx"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/natsstore"
)

// session is a way to a cluster's records.
type session struct {
	store membership.Store
	// renewals returns how long ago each member's record was written. It is nil if the
	// store does not know.
	renewals func(ctx context.Context) (map[string]time.Duration, error)
	close    func()
}

// control opens the records of an existing cluster. It checks that the bucket exists
// first, because opening a store makes one, also for a prefix with a typo.
func (r *reach) control(ctx context.Context) (*session, error) {
	c, options, err := r.find()
	if err != nil {
		return nil, err
	}
	if c.InboxPrefix == "" { // what a user of the records may hear
		options = append(options, nats.CustomInboxPrefix(r.prefix+".ctl"))
	}
	p, err := r.probe(ctx, c, options)
	if err != nil {
		return nil, err
	}
	store, err := natsstore.Open(ctx, natsstore.Options{
		URL: c.URL, NATSOptions: options, Prefix: r.prefix, Log: slog.New(slog.DiscardHandler),
		Memory: true, // accept any storage of the bucket
	})
	if err != nil {
		p.nc.Close()
		return nil, err
	}
	return &session{store: store, renewals: p.renewals, close: func() { store.Close(); p.nc.Close() }}, nil
}

// probe is a connection that looks at the bucket itself.
type probe struct {
	nc     *nats.Conn
	bucket string
	clock  time.Time // the server's, when it was asked
	asked  time.Time
}

func (r *reach) probe(ctx context.Context, c natsctx.Context, options []nats.Option) (*probe, error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	denied := func(_ *nats.Conn, _ *nats.Subscription, err error) { // the server answers in no other way
		if errors.Is(err, nats.ErrPermissionViolation) {
			end(outcome.Errorf(outcome.ErrNotPermitted, "%v", err))
		}
	}
	nc, err := r.dial(ctx, c, append(options, nats.ErrorHandler(denied), nats.NoReconnect()))
	if err != nil {
		return nil, err
	}
	p := &probe{nc: nc, bucket: strings.ReplaceAll(r.prefix, ".", "_") + "_members"}
	js, err := jetstream.New(nc)
	var stream jetstream.Stream
	if err == nil {
		stream, err = js.Stream(ctx, "KV_"+p.bucket)
	}
	switch {
	case err == nil:
		p.clock, p.asked = stream.CachedInfo().TimeStamp, time.Now()
		return p, nil
	case ctx.Err() != nil:
		err = fmt.Errorf("asking %s for the cluster's records: %w", nc.ConnectedUrlRedacted(), context.Cause(ctx))
	case errors.Is(err, jetstream.ErrStreamNotFound):
		err = r.noCluster(fmt.Sprintf("%s has no bucket %q", nc.ConnectedUrlRedacted(), p.bucket))
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		err = r.noCluster(fmt.Sprintf("%s has no JetStream for this user", nc.ConnectedUrlRedacted()))
	}
	nc.Close()
	return nil, err
}

// renewals asks when the servers stored the members' records. Those times and the clock
// are both of the stream's leader.
func (p *probe) renewals(ctx context.Context) (map[string]time.Duration, error) {
	inbox := p.nc.NewInbox()
	sub, err := p.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }() // fails where the connection has gone
	subjects := "$KV." + p.bucket + "."
	ask := fmt.Appendf(nil, `{"multi_last":[%q]}`, subjects+record.MemberPrefix+">")
	if err := p.nc.PublishRequest("$JS.API.DIRECT.GET.KV_"+p.bucket, inbox, ask); err != nil {
		return nil, err
	}
	now := p.clock.Add(time.Since(p.asked))
	ages := map[string]time.Duration{}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return nil, err
		}
		if m.Header.Get("Status") != "" {
			return ages, nil
		}
		if at, err := time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp")); err == nil {
			ages[strings.TrimPrefix(m.Header.Get("Nats-Subject"), subjects)] = max(0, now.Sub(at))
		}
	}
}
