// Package testkit is for the tests of programs that use clstr.
//
//	testkit.CheckLeaks(t)
//	c := testkit.NewCluster(t, testkit.ClusterOptions{Handler: cluster.NewActorHandler(Accounts.New)})
//	c.KillNode(c.Owner("acc-1"))
//	_, err := c.Client().Key("acc-1").Request(ctx, Deposit{100}) // cluster.ErrTransportNoShardSubscriber
//
// [Open] opens a service of the front in memory, which most tests of entities want.
// [NewCluster] starts nodes and clients in this process, in memory or over NATS
// ([EachTransport] runs a test on both); nodes stop, die and come back.
// [StartNATSServer] is a NATS server that can be restarted. [Alone] hosts one
// entity under virtual time, and [StubClient] stands for those that it asks.
// [Recorder] shows what reaches a handler, and waits for it. [Faults] lose, delay,
// double and refuse messages, by a seed. [CheckLeaks] finds goroutines that a test
// has left behind, and [Logger] writes to its log.
//
// What the helpers start ends with the test, through its cleanups, the last
// first; what goes wrong then is reported to the test. Helpers that are given a
// testing.TB fail it with Fatalf where they cannot go on, and are therefore
// called from the test's goroutine. Helpers block until what they promise is so,
// and say for how long at most. All but what needs NATS, and CheckLeaks, works
// inside a testing/synctest bubble.
//
// Order is that of the transports; [Recorder] keeps it for each key.
//
// The tests lie beside the files. They let each helper fail where it should,
// against a testing.TB that only takes notes.
package testkit
