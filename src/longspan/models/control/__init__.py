"""Networks that value actions, built from what an environment shows and lets one do."""

from __future__ import annotations

from longspan.models.control.q_network import QNetwork, QNetworkConfig

__all__ = ["QNetwork", "QNetworkConfig"]
