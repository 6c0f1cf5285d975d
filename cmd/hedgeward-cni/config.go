// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/containernetworking/cni/pkg/types"
	spec "github.com/containernetworking/cni/pkg/version"

	"github.com/hedgeward/hedgeward/attach"
)

// config is the plugin's part of a network configuration (docs/cni.md).
type config struct {
	types.PluginConf
	Socket string   `json:"socket"` // "": the agent's
	Subnet string   `json:"subnet"`
	Groups []string `json:"groups"` // ids or names; none: the default group of the VPC
	Device string   `json:"device"` // the host's end; "": the other end of the container's veth
	Wait   float64  `json:"wait"`   // seconds; 0: attach.DefaultWait

	RuntimeConfig struct {
		Groups      []string          `json:"hedgeward.groups"`
		Annotations map[string]string `json:"io.kubernetes.cri.pod-annotations"`
	} `json:"runtimeConfig"`
	Args struct {
		CNI struct {
			Groups []string `json:"hedgeward.groups"`
		} `json:"cni"`
	} `json:"args"`
}

// members are what a configuration may have. Somebody who misspells "groups" must
// not believe that his groups hold.
var members = []string{
	"cniVersion", "name", "type", "capabilities", "ipam", "dns", "ipMasq", "args", "runtimeConfig", "prevResult",
	"socket", "subnet", "groups", "device", "wait",
}

// read reads a configuration as far as giving back what an earlier one claimed needs
// it, which must not fail for what has become wrong in the rest.
func read(stdin []byte) (*config, *types.Error) {
	c := new(config)
	if err := json.Unmarshal(stdin, c); err != nil {
		return nil, types.NewError(types.ErrDecodingFailure, "the configuration of hedgeward-cni is not as documented", err.Error())
	}
	if c.Wait < 0 || c.Wait > 600 {
		return nil, bad("wait is %v; give seconds from 0 (the default) to 600", c.Wait)
	}
	return c, nil
}

// readAll is read for those who claim, and for who asks whether that can work.
func readAll(stdin []byte) (*config, *types.Error) {
	c, refused := read(stdin)
	if refused != nil {
		return nil, refused
	}
	var has map[string]json.RawMessage
	if err := json.Unmarshal(stdin, &has); err != nil {
		return nil, types.NewError(types.ErrDecodingFailure, "the configuration of hedgeward-cni is not as documented", err.Error())
	}
	for _, name := range slices.Sorted(maps.Keys(has)) {
		if !slices.Contains(members, name) && !strings.HasPrefix(name, "cni.dev/") {
			return nil, bad("it has no member %q; those of its own are socket, subnet, groups, device and wait", name)
		}
	}
	if c.Subnet == "" {
		return nil, bad("it names no subnet; give the id of the one that has the containers' addresses, as in \"subnet\": \"subnet-…\"")
	}
	if err := spec.ParsePrevResult(&c.PluginConf); err != nil {
		return nil, types.NewError(types.ErrDecodingFailure, "the result of the plugin before hedgeward-cni cannot be read", err.Error())
	}
	return c, nil
}

// bad is a refusal of the configuration.
func bad(format string, args ...any) *types.Error {
	return types.NewError(types.ErrInvalidNetworkConfig, "configuration of hedgeward-cni: "+fmt.Sprintf(format, args...), "")
}

// client returns who answers at the host's socket.
func (c *config) client() *attach.Client {
	out := &attach.Client{Socket: c.Socket, Wait: time.Duration(c.Wait * float64(time.Second))}
	if out.Socket == "" {
		out.Socket = attach.AgentSocket
	}
	return out
}

// annotation is the one of a pod that names its groups.
const annotation = "hedgeward/groups"

// groups returns the groups of one container: those that the runtime gives for it, by
// the first way that it uses, else those of the network. An empty list means the
// default group of the VPC and so is none.
func (c *config) groups(args map[string]string) []string {
	for _, given := range [][]string{
		c.RuntimeConfig.Groups, listed(c.RuntimeConfig.Annotations[annotation]), c.Args.CNI.Groups, listed(args["HEDGEWARD_GROUPS"]),
	} {
		if len(given) > 0 {
			return given
		}
	}
	return c.Groups
}

// listed returns the elements of a list with commas.
func listed(text string) (out []string) {
	for element := range strings.SplitSeq(text, ",") {
		if element = strings.TrimSpace(element); element != "" {
			out = append(out, element)
		}
	}
	return out
}

// arguments reads CNI_ARGS. What is for other plugins is none of our business, but
// nobody else's arguments begin as ours do.
func arguments(text string) (map[string]string, *types.Error) {
	out := map[string]string{}
	for pair := range strings.SplitSeq(text, ";") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok && strings.TrimSpace(pair) != "" || strings.HasPrefix(name, "HEDGEWARD_") && name != "HEDGEWARD_GROUPS" {
			return nil, types.NewError(types.ErrInvalidEnvironmentVariables,
				fmt.Sprintf("CNI_ARGS: hedgeward-cni does not understand %q; its argument is HEDGEWARD_GROUPS=sg-…,sg-…", pair), "")
		}
		out[name] = value
	}
	return out, nil
}

// description says to people whose interface it is.
func description(c *config, container, ifname string, args map[string]string) string {
	of := "container " + container
	if pod := args["K8S_POD_NAME"]; pod != "" {
		of = "pod " + args["K8S_POD_NAMESPACE"] + "/" + pod
	}
	return fmt.Sprintf("%s of %.128s, network %.64s", ifname, of, c.Name)
}

// These say in a claim what it is for: all attachments to a network begin alike. Both
// parts are hashed when they are too long for a claim; neither holds a slash, as the
// specification of CNI has it, so that no two attachments get the same.
func networkWords(network string) string { return "cni/" + short(network, 40) + "/" }

func words(network, container, ifname string) string {
	return networkWords(network) + short(container+"/"+ifname, 82)
}

func short(s string, most int) string {
	if len(s) <= most {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:20])
}
