package cluster

import (
	"context"
	"errors"

	"github.com/workspace-operator/workspace-operator/test/cluster/internal/pki"
)

func (c *Cluster) startNodeTier(context.Context) error {
	return errors.New("tier node is not there yet")
}

func (c *Cluster) stopNodes() error { return nil }

func (c *Cluster) nodeParts(context.Context) []Part { return nil }

func (c *Cluster) writeExtraCredentials(*pki.Authority) error { return nil }
