// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"fmt"
	"net/http"
	"time"
)

// Protocol is the version of what hosts and servers say to each other. A server
// serves hosts of this version only and says so to others; it goes up with every
// change that an older peer must not overlook.
const Protocol = 1

// The procedures, below the address of a server.
const (
	service    = "/hedgeward.stream.v1.Host/"
	followPath = service + "Follow"
	reportPath = service + "Report"

	claimPath   = service + "Claim"
	releasePath = service + "Release"

	openStreamPath    = service + "OpenStream"
	reportStreamsPath = service + "ReportStreams"
	reportJoinPath    = service + "ReportJoin"
)

const (
	maxFromHost = 1 << 20  // bytes of a message to a server: a hello with full digests is half of it
	maxToHost   = 16 << 20 // bytes of a message to a host: its largest object and a part
	maxBehind   = 1 << 14  // interfaces in one acknowledgement
	maxDetail   = 4 << 10  // bytes of a report's words
)

// window is how many deltas a host may be told and not have acknowledged. What
// changes meanwhile coalesces on the server.
const window = 8

// Alive returns how both ends notice that the other is dead or frozen: who has
// been silent for a while is asked, and has to answer.
func Alive(silent, answer time.Duration) *http.HTTP2Config {
	return &http.HTTP2Config{SendPingTimeout: silent, PingTimeout: answer, MaxConcurrentStreams: 64}
}

// skew says to people what to do about two versions that do not fit.
func skew(agent uint32, agentVersion string, server uint32, serverVersion string) error {
	older := "agent"
	if server < agent {
		older = "server"
	}
	return fmt.Errorf("the agent (version %q) speaks protocol %d, the server (version %q) protocol %d: upgrade the %s",
		agentVersion, agent, serverVersion, server, older)
}
