package howto_test

import (
	"context"
	"testing"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cluster/cborcodec"
)

// docs/howto/cbor.md

type (
	Track struct {
		Lat, Lon float64
		Photo    []byte `json:"photo,omitempty"`
	}
	Trail struct{ Points int }
	Truck struct{ points int }
)

func (Track) MessageCodec() string { return cborcodec.Name }

func (d *Truck) Track(_ *actor.Context, m Track) (Trail, error) {
	d.points++
	return Trail{d.points}, nil
}

// Codec tells how its caller's message was encoded.
type Codec struct{}

func (d *Truck) Codec(c *actor.Context, _ Codec) (string, error) { return c.Message().Codec, nil }

var trucks = actor.Define("truck", func(string) *Truck { return &Truck{} }, actor.OnRequest((*Truck).Track), actor.OnRequest((*Truck).Codec))

func TestCBOR(t *testing.T) {
	network := clstr.Memory()
	open := func(o clstr.Options) *clstr.Service {
		o.Name, o.On = "trucks", network
		svc, err := clstr.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = svc.Close(context.Background()) })
		return svc
	}
	plain := open(clstr.Options{Entities: clstr.Host(trucks)})
	compact := open(clstr.Options{
		Client: cluster.ClientOptions{Codec: cborcodec.Name},
	})
	for want, svc := range map[string]*clstr.Service{"": plain, cborcodec.Name: compact} {
		if codec, err := clstr.Ask[string](t.Context(), svc.Key(trucks, "t"), Codec{}); err != nil || codec != want {
			t.Errorf("codec %q, %v; want %q", codec, err, want)
		}
		if _, err := clstr.Ask[Trail](t.Context(), svc.Key(trucks, "t"), Track{Lat: 53.5, Lon: 10, Photo: []byte{0xff}}); err != nil {
			t.Error(err)
		}
	}
}
