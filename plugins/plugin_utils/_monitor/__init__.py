# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on a managed node without the controller: looks, remembers, and tells. All of it runs on Python 3.8 and its standard library.

The controller packs it with the probes and the causes into one file (``_monitor_program.py``).


This plugin util is private to the collection; it can change at any time.
"""
