// Which node owns which shard: what nodes tell clients

package wire

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// MaxEpochs is how many shards one message of owners may have. The client asks again for the
// shards behind them.
const MaxEpochs = 64 << 10

// MaxShards is the largest number of shards in a cluster.
const MaxShards = 1 << 20

// Owner is the node that owns a shard, and in which epoch: 0 with a fixed list.
type Owner struct {
	Epoch uint64
	Node  string // the token of its subject; empty for none
}

// Ask says what a question for owners asks for.
type Ask uint32

// What a question for owners asks for.
const (
	AskAll    Ask = iota // the owners of shards from First on; each node with a fixed list tells its own shards
	AskOne               // the owner of First; a node with a fixed list that does not serve it stays silent
	AskLiving            // as AskAll; nodes with a fixed list stay silent
)

// Owners says which nodes own shards.
type Owners struct {
	First uint32
	// Owners[i] owns the shard First+i. Its epoch is 0 if no node has ever owned the shard.
	Owners    []Owner
	NumShards uint32
	Seed      string // at most MaxSeed bytes
	// Node serves Runs, with a fixed list. Runs are alternately how many shards it
	// skips, and how many it serves.
	Node string
	Runs []uint32
	// Ask is of a question.
	Ask Ask
}

// MaxSeed is how many bytes a seed may have to travel.
const MaxSeed = 4096

// MaxNode is how many bytes the token of a node's subject may have.
const MaxNode = 64

// IsNode reports whether s can be a node's token.
func IsNode(s string) bool {
	for _, r := range []byte(s) {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	return s != "" && len(s) <= MaxNode
}

const (
	ownersVersion   protowire.Number = 1
	ownersFirst     protowire.Number = 2
	ownersEpochs    protowire.Number = 3
	ownersNumShards protowire.Number = 4
	ownersSeed      protowire.Number = 5
	ownersNodes     protowire.Number = 6
	ownersOwners    protowire.Number = 7
	ownersRuns      protowire.Number = 8
	ownersAsk       protowire.Number = 9
)

// MaxOwner is how many bytes one shard takes in a message of owners, at most, if its node's token
// has 16 bytes and names no other shard.
const MaxOwner = 10 + 3 + 18

// AppendOwners appends the encoded message to b.
func AppendOwners(b []byte, o *Owners) []byte {
	b = appendUint(b, ownersVersion, Version)
	b = appendUint(b, ownersFirst, uint64(o.First))
	epochs, owners, nodes := make([]uint64, len(o.Owners)), make([]uint64, len(o.Owners)), map[string]uint64{}
	name := func(node string) uint64 {
		if node == "" {
			return 0
		}
		if nodes[node] == 0 {
			nodes[node] = uint64(len(nodes) + 1)
			b = appendString(b, ownersNodes, node)
		}
		return nodes[node]
	}
	name(o.Node)
	for i, owner := range o.Owners {
		epochs[i], owners[i] = owner.Epoch, name(owner.Node)
	}
	b = appendPacked(b, ownersEpochs, epochs)
	b = appendPacked(b, ownersOwners, owners)
	b = appendUint(b, ownersNumShards, uint64(o.NumShards))
	b = appendString(b, ownersSeed, o.Seed)
	b = appendPacked(b, ownersRuns, o.Runs)
	return appendUint(b, ownersAsk, uint64(o.Ask))
}

func appendPacked[N uint32 | uint64](b []byte, field protowire.Number, numbers []N) []byte {
	if len(numbers) == 0 {
		return b
	}
	size := 0
	for _, n := range numbers {
		size += protowire.SizeVarint(uint64(n))
	}
	b = protowire.AppendTag(b, field, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	for _, n := range numbers {
		b = protowire.AppendVarint(b, uint64(n))
	}
	return b
}

// ownersParts is a message of owners as its fields come.
type ownersParts struct {
	epochs, owners, runs []uint64
	nodes                []string
}

// DecodeOwners decodes a message of owners. Its errors are
// outcome.ErrBadEnvelope with what is wrong.
func DecodeOwners(data []byte) (o Owners, err error) {
	version := uint64(0)
	var p ownersParts
	f := fields{data: data}
	for f.next() && err == nil {
		switch {
		case f.is(ownersVersion, protowire.VarintType):
			version = f.uint
		case f.is(ownersFirst, protowire.VarintType):
			o.First, err = shardNumber("first", f.uint)
		case f.is(ownersNumShards, protowire.VarintType):
			o.NumShards, err = shardNumber("num_shards", f.uint)
		case f.is(ownersAsk, protowire.VarintType):
			o.Ask = Ask(min(f.uint, uint64(AskLiving)))
		case f.is(ownersSeed, protowire.BytesType):
			if len(f.bytes()) > MaxSeed {
				return Owners{}, bad("owners: a seed of %d bytes: at most %d", len(f.bytes()), MaxSeed)
			}
			o.Seed = string(f.bytes())
		case f.is(ownersNodes, protowire.BytesType):
			if !IsNode(string(f.bytes())) || len(p.nodes) >= MaxEpochs {
				return Owners{}, bad("owners: a node of %d bytes: at most %d letters, digits, - and _, and at most %d nodes", len(f.bytes()), MaxNode, MaxEpochs)
			}
			p.nodes = append(p.nodes, string(f.bytes()))
		case f.is(ownersEpochs, protowire.VarintType), f.is(ownersEpochs, protowire.BytesType):
			err = f.numbers(&p.epochs, MaxEpochs)
		case f.is(ownersOwners, protowire.VarintType), f.is(ownersOwners, protowire.BytesType):
			err = f.numbers(&p.owners, MaxEpochs)
		case f.is(ownersRuns, protowire.VarintType), f.is(ownersRuns, protowire.BytesType):
			err = f.numbers(&p.runs, MaxShards)
		}
	}
	switch {
	case err != nil:
		return Owners{}, err
	case f.bad:
		return Owners{}, bad("owners: not a message: byte %d of %d", f.at, len(data))
	case version != Version:
		return Owners{}, bad("owners: version %d: only %d is known", version, Version)
	}
	if err := p.into(&o); err != nil {
		return Owners{}, err
	}
	return o, nil
}

// into puts the parts together.
func (p *ownersParts) into(o *Owners) error {
	for i, epoch := range p.epochs {
		owner := Owner{Epoch: epoch}
		if i < len(p.owners) && p.owners[i] > 0 {
			if p.owners[i] > uint64(len(p.nodes)) {
				return bad("owners: node %d of %d", p.owners[i], len(p.nodes))
			}
			owner.Node = p.nodes[p.owners[i]-1]
		}
		o.Owners = append(o.Owners, owner)
	}
	all, served := uint64(0), uint64(0)
	for i, n := range p.runs {
		if all += min(n, math.MaxUint32+1); n > math.MaxUint32 || all > math.MaxUint32+1 {
			return bad("owners: runs of more than 32 bits")
		}
		if i%2 == 1 {
			if served += n; served > MaxShards {
				return bad("owners: runs of more than %d shards", MaxShards)
			}
		}
		o.Runs = append(o.Runs, uint32(n))
	}
	if len(p.nodes) > 0 && (len(p.runs) > 0 || len(p.epochs) == 0) {
		o.Node = p.nodes[0]
	}
	return nil
}

func shardNumber(what string, n uint64) (uint32, error) {
	if n > math.MaxUint32 {
		return 0, bad("owners: %s %d: must fit 32 bits", what, n)
	}
	return uint32(n), nil
}

// numbers appends a field of numbers, packed or not, to all.
func (f *fields) numbers(all *[]uint64, most int) error {
	if f.kind == protowire.VarintType {
		*all = append(*all, f.uint)
	}
	for rest := f.bytes(); f.kind == protowire.BytesType && len(rest) > 0; {
		n, size := protowire.ConsumeVarint(rest)
		if size < 0 {
			return bad("owners: field %d: no list of numbers", f.number)
		}
		if *all, rest = append(*all, n), rest[size:]; len(*all) > most {
			break
		}
	}
	if len(*all) > most {
		return bad("owners: field %d: more than %d numbers", f.number, most)
	}
	return nil
}
