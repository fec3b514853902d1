package bench

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr/internal/codec"
)

// BenchmarkNATSCodec is what a request and its reply cost to encode and to decode, without anything else. A typed row of
// BenchmarkNATSRequest takes at least that much more than its row of raw bytes.
func BenchmarkNATSCodec(b *testing.B) {
	for _, size := range []int{64, 1024} {
		payload := strings.Repeat("x", size)
		b.Run(fmt.Sprint(size)+"B/json", func(b *testing.B) { legs(b, text{payload}) })
		b.Run(fmt.Sprint(size)+"B/cbor", func(b *testing.B) { legs(b, cborText{payload}) })
		b.Run(fmt.Sprint(size)+"B/proto", func(b *testing.B) { legs(b, &wrapperspb.StringValue{Value: payload}) })
	}
}

func legs[M any](b *testing.B, m M) {
	b.ReportAllocs()
	began := processorTime()
	for b.Loop() {
		p, err := codec.EncodeInRoom(codec.JSON, m)
		if err != nil {
			b.Fatal(err)
		}
		asked, err := codec.UnmarshalNew[M](p.Codec, p.Data)
		if err != nil {
			b.Fatal(err)
		}
		p.Room.Free()
		data, room, err := codec.MarshalReply(p.Codec, *asked)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := codec.UnmarshalNew[M](p.Codec, data); err != nil {
			b.Fatal(err)
		}
		room.Free()
	}
	reportProcessor(b, began, b.N)
}
