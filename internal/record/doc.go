// Package record has the records of a live cluster: what nodes write into a
// membership.Store, and read from it.
//
// A node keeps a [Member] record and renews it. Each shard has a [Shard] record that names its
// owner. All nodes agree on one [Config]. testdata/records.txt has
// their bytes, which every later release reads.
package record
