package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/clstr-go/clstr/cluster"
)

// nest asks another key in the turn of a call.
func (s *spares) nest(ctx context.Context, id, how int) error {
	to, asks := "leaf-"+strconv.Itoa(id%4), spareAnswers
	switch how {
	case spareDeeper:
		to, asks = "mid-"+strconv.Itoa(id%4), spareNests
	case spareNoGood:
		asks = spareFails
	case spareBad:
		asks = sparePanics
	case spareLong:
		asks = spareWaits
	case spareRing:
		to, asks = "mid-"+strconv.Itoa(id%4), spareBack
	case spareBack:
		to = "key-" + strconv.Itoa(id%3)
	}
	got, err := s.ask(ctx, to, id, asks)
	var failed *cluster.Error
	switch {
	case err == nil && got != id:
		s.faulty("call %d got the reply of call %d from a nested call", id, got)
	case err == nil && (how == spareNoGood || how == spareBad || (how == spareRing || how == spareBack) && !s.far && ctx.Err() == nil): // a turn whose caller has gone is in no circle, and over NATS it may hear of that later
		s.faulty("call %d got a reply from a nested call that answers none: %d", id, how)
	case ctx.Err() != nil, err == nil, s.undone(err): // its caller has gone
	case !errors.As(err, &failed):
		s.faulty("call %d: %v", id, err)
	case how == spareNoGood && failed.Message != strconv.Itoa(id):
		s.faulty("call %d got the error of another: %v", id, err)
	case how == spareBad && !errors.Is(err, cluster.ErrPanicked), (how == spareRing || how == spareBack) && !errors.Is(err, cluster.ErrCircle):
		s.faulty("call %d got %v (%d)", id, err, how)
	}
	return err
}

func (s *spares) ask(ctx context.Context, key string, id, how int) (int, error) {
	if s.host != spareFuncs {
		return askAndKeep(s, ctx, s.key(key), id, spareNow(saysOf(id, how)), (*spareGot).kept, nil)
	}
	data, err := s.key(key).RequestRaw(ctx, "spareAsk", fmt.Appendf(nil, "%d %d", id, how))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(data))
}
