// Package shared lets processes and machines share the credentials that one of them obtained: ten thousand pods that start together call
// STS once instead of ten thousand times, and a command that runs every second does not assume its role every second.
//
// A [Provider] wraps a provider and a [Store], which is a directory (package shared/dirstore) or a server
// (module adapter/valkeystore). The store sees sealed values only. A Cache over the Provider serves all calls of the process:
//
//	role := &assumerole.Provider{Client: sts, RoleARN: roleARN, SessionName: "backup"}
//	creds := &stschain.Cache{Provider: &shared.Provider{
//		Provider:  role,
//		Store:     store,
//		Keys:      []stschain.Secret{key},
//		NamingKey: namingKey,
//	}}
//
// A hit in the Cache does not reach the store. docs/how-to/fleet.md explains keys, servers, rotation and what to watch.
//
// # Tiers
//
// A Provider may be the Provider of another one. Then a process looks in its memory, in the directory of its machine, and in the store of
// the fleet, in this order, before it calls STS:
//
//	fleet := &shared.Provider{Provider: role, Store: valkey, Keys: keys, NamingKey: namingKey}
//	machine := &shared.Provider{Provider: fleet, Store: dir, Keys: keys, NamingKey: namingKey}
//	creds := &stschain.Cache{Provider: machine}
//
// # Which processes share
//
// Processes share credentials if their providers have the same [stschain.Identity]: the same operation with the same input, at the
// same server, called with the same base credentials. A provider without an identity, such as imds or a ProviderFunc, is an error, since
// the name of its entry would be a guess. Set the SessionName of flows: the default is program@host, so other hosts could not use the session. It is
// an error, unless the store is of one machine, where processes of the same program share it.
//
// # Refreshes
//
// Credentials are returned without a call until their refresh window, which is a quarter wider than that of a Cache: 18:45 minutes for
// sessions of one hour. In the window the process that takes the lease of the entry calls Provider, and the others get the valid
// credentials until it has new ones. A Cache does this in the background, so no caller waits. Processes without credentials wait for the one
// with the lease. If that process dies, they wait for Lease at most, and one of them takes over.
//
// If Provider fails, the processes with valid credentials continue to use them, and none calls Provider for 1 to 5 s. In this time, processes
// without credentials get an error. The store contains the pause, but not the reason.
//
// # Failures of the store
//
// A failure of the store is never an error. A process that has credentials uses them, and calls Provider at a random time before they
// expire. A process without credentials calls Provider after 0 to 5 s ([Provider.Spread]). After a failure the store is not used for 5 s.
// A store that lost its data costs one call for each identity.
//
// A value that was changed, truncated, replayed after its end, or moved to another key counts as missing. Whatever its clock, a store cannot make
// credentials last longer than STS issued them for.
//
// # Rejected credentials
//
// [Provider.Invalidate], which a Cache passes on, drops credentials from the store that a service rejected, if they are still there and at least 30 s
// old. So a machine that rejects everything, or whose clock is wrong, causes at most one call in 30 s for the fleet.
//
// # Security
//
// A process that has one of Keys can read and replace all entries of the store, and so use all roles in it. Give fleets with different rights
// different keys. SECURITY.md says what the owner of a store can do, and what to do if a key was stolen.
package shared
