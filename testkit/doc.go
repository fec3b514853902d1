// Package testkit is for the tests of programs that use clstr.
//
//	testkit.CheckLeaks(t)
//	c := testkit.NewCluster(t, testkit.ClusterOptions{Handler: cluster.NewActorHandler(Accounts.New)})
//	c.KillNode(c.Owner("acc-1"))
//	_, err := c.Client().Key("acc-1").Request(ctx, Deposit{100}) // cluster.ErrTransportNoShardSubscriber
//
// Most tests of entities want [Open]: a service of the front, in memory. [NewCluster]
// starts nodes and clients in this process, in memory or over NATS, and its nodes can
// stop, die and come back. [EachTransport] runs a test both ways. [StartNATSServer]
// starts a NATS server that can be restarted. [Alone] hosts one entity under virtual
// time, and [StubClient] stands in for the entities that it asks. [Recorder] shows what
// reaches a handler, and waits for it. [Faults] lose, delay, repeat and refuse
// messages, by a seed, and [StateFaults] do the same to the changes that a store of state gets.
// [CheckLeaks] finds goroutines that a test has left behind, and
// [Logger] writes to the test's log.
//
// All messages are encoded and decoded, in memory too: a test finds what would not survive a network.
//
// What durable entities store is kept in memory, for all nodes of a test, unless the test
// gives a store.
//
// Everything that a helper starts ends with the test, through the test's cleanups. What
// goes wrong at that point is reported to the test. A helper that takes a testing.TB
// fails it with Fatalf if it cannot go on, so call it from the test's goroutine.
// Helpers block until what they promise is true, and their comments give the longest
// wait. All of them work inside a testing/synctest bubble, except those that need NATS
// and CheckLeaks.
//
// Messages arrive in the order that the transports promise. [Recorder] keeps that order
// for each key.
package testkit
