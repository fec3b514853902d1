// What the package is

// Package embed runs a NATS server with JetStream inside the process, for services that
// have one: nothing has to be installed or started beside them.
//
//	svc, err := clstr.Open(ctx, clstr.Options{Name: "bank", On: embed.Dir("data"), Entities: clstr.Host(accounts)})
//
// The server starts with the first [clstr.Open] that is given it, and ends with the last
// of its services. What JetStream keeps is in the folder, and is there again after a
// restart. Services of this process use connections inside it, and no port is open,
// unless [Options].Listen lets other processes connect with clstr.NATS. They lose the
// server with this process: a service that has to outlive any one of its processes needs
// servers of its own.
//
// This package links nats-server, and no other that a product imports does. Its tests lie
// beside the files.
package embed
