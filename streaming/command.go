// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/secgroup"
)

// streamPort is where streaming instances serve their streams, over TCP and UDP
// (docs/spec/appstream.md section 1.2).
const streamPort = "8300"

// Command is the programs themselves. It is hidden because Programs starts them.
func Command(home func() *Home) *cobra.Command {
	cmd := &cobra.Command{Use: "stream", Short: "Serve and relay streams, for fleets", Hidden: true}
	var network, listen string
	gateway := &cobra.Command{
		Use: "gateway", Short: "Connect users to streams", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runGateway(cmd.Context(), home(), network, listen) },
	}
	gateway.Flags().StringVar(&network, "network", "", "network namespace in which users come")
	gateway.Flags().StringVar(&listen, "listen", "", "address at which they come; by default any port of the loopback interface")
	var joins directoryJoin
	serve := &cobra.Command{
		Use: "serve ADDRESS", Short: "Send numbered frames to whoever connects", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if joins.Domain != "" {
				go joins.tell(cmd.Context(), home())
			}
			return serveFrames(cmd.Context(), net.JoinHostPort(args[0], streamPort))
		},
	}
	serve.Flags().StringVar(&joins.Domain, "join", "", "domain to join first")
	serve.Flags().StringVar(&joins.Instance, "instance", "", "id of the instance that joins")
	cmd.AddCommand(gateway, serve, &cobra.Command{
		Use: "endpoint ID ADDRESS", Short: "Connect the users of a VPC endpoint to streams", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runEndpoint(cmd.Context(), home(), args[0], args[1])
		},
	})
	api := &cobra.Command{
		Use: "api ADDRESS", Short: "Pass calls at a VPC endpoint on to the API", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return passCalls(cmd.Context(), home(), args[0], network)
		},
	}
	api.Flags().StringVar(&network, "network", "", "network namespace in which the API listens")
	cmd.AddCommand(api)
	return cmd
}

// Programs returns what runs inside an instance: the stream of a streaming one, the
// gateway in its own, which users reach at listen, "" for any port of the loopback
// interface. Where the state folder has no API, nothing passes calls on to it.
func Programs(home *Home, listen string) (func(*feed.Instance) []string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	dir, err := filepath.Abs(home.Dir) // programs inside have another working folder
	if err != nil {
		return nil, fmt.Errorf("find the state folder: %w", err)
	}
	return func(i *feed.Instance) []string {
		switch {
		case i.Gateway:
			return []string{self, "--state", dir, "stream", "gateway", "--network", ownNetwork(), "--listen=" + listen}
		case i.Streams.IsValid() && i.Joins != "":
			return []string{self, "--state", dir, "stream", "serve", i.Streams.String(), "--instance=" + i.ID, "--join=" + i.Joins}
		case i.Streams.IsValid():
			return []string{self, "stream", "serve", i.Streams.String()}
		case i.Service == secgroup.StreamingEndpoint:
			return []string{self, "--state", dir, "stream", "endpoint", i.Endpoint, i.Answers.String()}
		case i.Service == secgroup.APIEndpoint && home.API != "":
			return []string{self, "--state", dir, "stream", "api", i.Answers.String(), "--network", ownNetwork()}
		}
		return nil
	}, nil
}

// ownNetwork returns the path of this process's network namespace, as long as it
// runs.
func ownNetwork() string { return "/proc/" + strconv.Itoa(os.Getpid()) + "/ns/net" }
