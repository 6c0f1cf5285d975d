// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"time"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
)

// timeouts returns, by state, how long a flow lives (section 3.6), in jiffies.
func (d *Datapath) timeouts(i *Interface) (out [32]uint32) {
	set := func(state bpfobj.HedgewardState, t time.Duration) { out[state] = jiffies(t, d.hz) }
	or := func(t, fallback time.Duration) time.Duration {
		if t <= 0 {
			return fallback
		}
		return t
	}
	established := or(i.Tracking.TCPEstablished, 432000*time.Second)
	udp := or(i.Tracking.UDP, 30*time.Second)
	set(bpfobj.HedgewardStateSYN_SENT, 30*time.Second)
	set(bpfobj.HedgewardStateSYNACK_SEEN, 30*time.Second)
	set(bpfobj.HedgewardStateSYN_RECV, 60*time.Second)
	set(bpfobj.HedgewardStateONEWAY, min(established, 350*time.Second))
	set(bpfobj.HedgewardStateESTABLISHED, established)
	set(bpfobj.HedgewardStateHALF_CLOSED_INI, min(established, time.Hour))
	set(bpfobj.HedgewardStateHALF_CLOSED_RES, min(established, time.Hour))
	set(bpfobj.HedgewardStateTIME_WAIT, 60*time.Second)
	set(bpfobj.HedgewardStateRST_SEEN, 10*time.Second)
	set(bpfobj.HedgewardStateRST_SEEN_INI, 10*time.Second)
	set(bpfobj.HedgewardStateRST_SEEN_RES, 10*time.Second)
	set(bpfobj.HedgewardStateUDP_ASKED, udp)
	set(bpfobj.HedgewardStateUDP_ANSWERED, udp)
	set(bpfobj.HedgewardStateUDP_AGAIN, udp)
	set(bpfobj.HedgewardStateUDP_STREAM, or(i.Tracking.UDPStream, 180*time.Second))
	set(bpfobj.HedgewardStateQUERY, 30*time.Second)
	set(bpfobj.HedgewardStateOTHER, 600*time.Second)
	// While the allowance is almost used up.
	set(shortTimeout+bpfobj.HedgewardStateSYN_SENT, 5*time.Second)
	set(shortTimeout+bpfobj.HedgewardStateSYNACK_SEEN, 5*time.Second)
	set(shortTimeout+bpfobj.HedgewardStateSYN_RECV, 10*time.Second)
	set(fragmentTimeout, 30*time.Second)
	set(oneSecond, time.Second)
	return out
}

// shortTimeout is SHORT_TIMEOUT of bpf/layout.h.
const shortTimeout = 32 - 8

// Places of FRAGMENT_TIMEOUT and SECOND among the timeouts.
const (
	fragmentTimeout = 32 - 2
	oneSecond       = 32 - 1
)
