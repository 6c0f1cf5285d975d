// SPDX-License-Identifier: Apache-2.0

// Package streaming is the programs of streaming fleets: what streams inside an
// instance, and the gateways that connect users to streams (docs/spec/appstream.md
// sections 1.7 and 1.9). Each runs in a namespace of its own and asks the process that started it,
// or the one after that, at a socket of the state folder, and knows no rule of its own; users stay connected whatever
// becomes of that process.
package streaming
