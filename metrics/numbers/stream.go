// SPDX-License-Identifier: Apache-2.0

package numbers

import (
	"time"

	"github.com/hedgeward/hedgeward/stream"
)

// Stream returns the numbers of a host that follows servers elsewhere: its
// connection, what it was told, its journal and its certificate, which is valid
// until expires.
func Stream(s stream.Status, expires time.Time) []Family {
	one := func(name string, kind Kind, value float64, help string) Family {
		return Family{Name: name, Help: help, Kind: kind, Samples: []Sample{{Value: value}}}
	}
	connected := 0.0
	if s.Server != "" {
		connected = 1
	}
	return []Family{
		one("hedgeward_connected", Gauge, connected, "1 while this host follows a server, 0 while it is alone."),
		one("hedgeward_connection_changed_timestamp_seconds", Gauge, seconds(s.Since), "Since when hedgeward_connected is what it is."),
		one("hedgeward_connections_total", Counter, float64(s.Connections), "Servers that this host began to follow, the same one again included."),
		one("hedgeward_told_revision", Gauge, float64(s.Revision), "Newest revision of the store that this host was told of."),
		one("hedgeward_journal_writes_total", Counter, float64(s.Journal.Writes), "Deltas that were written to the journal, from which this host starts without a server."),
		one("hedgeward_journal_errors_total", Counter, float64(s.Journal.Errors), "Deltas that could not be kept; without a server the host would start with nothing."),
		one("hedgeward_journal_size_bytes", Gauge, float64(s.Journal.Bytes), "Size of the journal, 0 while there is none."),
		one("hedgeward_certificate_expiry_timestamp_seconds", Gauge, seconds(expires), "Until when the certificate of this host is valid."),
	}
}

// seconds returns a time as Prometheus has it.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
