// Command chaos breaks rowcast and everything around it, and proves that nothing
// was lost in silence.
//
//	go run ./chaos                            every scenario, three seeds each
//	go run ./chaos -run rolling -seeds 50
//	go run ./chaos -run kill -seed 17 -seeds 1      a failure again
//	go run ./chaos -broken all                daemons with a fault: each must be caught
//	go run ./chaos soak -for 1h               whether what lives long gets bigger
//
// A run is one scenario with one seed: an application writes to a fresh database,
// instances of the real binary serve it, clients of all three kinds keep a journal
// of what they are sent, and something goes wrong. Then the writers stop, the
// clients settle, one last event goes to everybody, and the journals are held
// against the truth.
//
//	load ──writes──▶ Postgres ──▶ rowcast serve … ──▶ clients ──journals──▶ oracle.Judge
//	                    │            ▲  kill, stop,      ▲ drop, halt,         ▲
//	                    │ truth      act: restart, cut   habits: churn         │
//	                    └──────────────────────────────────────────────────────┘
//
// The oracle is Postgres: triggers of the oracle's own write down, in the
// application's transactions, what is owed to whom. The daemon has no test hooks;
// of its code only the binary is used, and no client shares a line with it.
//
// Each file of scenarios has a function that returns them; scenarios has the list
// of those. A world is what a scenario plays with. Each run has a goroutine for
// the load and one for each client, all ended before it is judged; runs go side by
// side and share nothing but a server, and not even that with ownCluster.
//
//	chaos/oracle   journals, the truth, the judge
//	chaos/client   the three kinds of clients
//	chaos/load     the application
package main
