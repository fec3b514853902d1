// What the package is

// Package embed runs a NATS server with JetStream inside the process, so that nothing has to be
// installed or started beside a service.
//
//	svc, err := clstr.Open(ctx, clstr.Options{Name: "bank", On: embed.Dir("data"), Entities: clstr.Host(accounts)})
//
// The server starts with the first [clstr.Open] that uses it, and ends with the last
// of its services. JetStream keeps its data in the folder, so the data is there again after a
// restart. Services of this process connect inside the process, and no port is open,
// unless [Options].Listen lets other processes connect with clstr.NATS. Those lose the
// server when this process ends. If a service must outlive each of its processes, run NATS
// servers of its own.
//
// Only this package links nats-server into a product. Its tests lie
// beside the files.
package embed
