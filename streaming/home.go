// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/hedgeward/hedgeward/internal/localhttp"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Home is the state folder of the process that runs the programs.
type Home struct {
	Dir    string // the program finds it by --state
	Socket string // where that process serves Handle
	API    string // file of the AWS profile that says where the API listens
}

// Service is what programs ask: package control, or a server that has it.
type Service interface {
	OpenStream(ctx context.Context, parameters string, by secgroup.Door) (*secgroup.Stream, error)
	ReportStreams(ctx context.Context, watched []secgroup.Watched, by secgroup.Door) (leave []string, err error)
	ReportJoin(ctx context.Context, instance, trouble string) error
}

// openRequest is what a gateway has to open.
type openRequest struct {
	Parameters string
	Door       secgroup.Door
}

// watchReport is which sessions have users at a gateway.
type watchReport struct {
	Watched []secgroup.Watched
	Door    secgroup.Door
	// Connected are the sessions that a gateway names which an older version has
	// started: it goes on with its users, and does not know who is idle.
	Connected []string
}

// Handle adds what programs ask to the socket of a state folder.
func Handle(mux *http.ServeMux, service func() Service) {
	handle(mux, "/streams/open", func(ctx context.Context, ask openRequest) (any, error) {
		return service().OpenStream(ctx, ask.Parameters, ask.Door)
	})
	handle(mux, "/streams/report", func(ctx context.Context, now watchReport) (any, error) {
		for _, session := range now.Connected {
			now.Watched = append(now.Watched, secgroup.Watched{Session: session})
		}
		return service().ReportStreams(ctx, now.Watched, now.Door)
	})
	handle(mux, "/streams/joined", func(ctx context.Context, of joinOutcome) (any, error) {
		return struct{}{}, service().ReportJoin(ctx, of.Instance, of.Trouble)
	})
}

func handle[T any](mux *http.ServeMux, path string, do func(context.Context, T) (any, error)) {
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		var ask T
		err := json.NewDecoder(r.Body).Decode(&ask)
		var answer any
		if err == nil {
			answer, err = do(r.Context(), ask)
		}
		if refusal := (*secgroup.Error)(nil); errors.As(err, &refusal) {
			err = errors.New(refusal.Message) // users read it
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		json.NewEncoder(w).Encode(answer)
	})
}

// tell posts a value to the process that serves the state folder. It returns
// localhttp.ErrNobody if there is none.
func (h *Home) tell(ctx context.Context, path string, value, into any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://hedgeward"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	resp, err := localhttp.Do(h.Socket, req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("ask the process of %s: %w", h.Dir, err)
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(string(answer)))
	}
	return json.Unmarshal(answer, into)
}

func (h *Home) gatewayFile() string { return filepath.Join(h.Dir, "gateway") }

// GatewayAddress returns where users reach the gateway, "" while they cannot.
func (h *Home) GatewayAddress() string {
	text, err := os.ReadFile(h.gatewayFile())
	if err != nil {
		return ""
	}
	address := strings.TrimSpace(string(text))
	if _, err := netip.ParseAddrPort(address); err != nil {
		return ""
	}
	return address
}

// setGatewayAddress says where users reach the gateway.
func (h *Home) setGatewayAddress(address string) error {
	next := h.gatewayFile() + ".new"
	if err := os.WriteFile(next, []byte(address+"\n"), 0o600); err != nil {
		return fmt.Errorf("say where the gateway is: %w", err)
	}
	return os.Rename(next, h.gatewayFile())
}
