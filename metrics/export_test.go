// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hedgeward/hedgeward/metrics/numbers"
)

// Show answers scrapes with families as Prometheus' library writes them.
func Show(read func() ([]numbers.Family, error)) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{read})
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}
