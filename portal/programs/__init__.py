"""What may be asked: releases, capabilities, phases, agreements, questions."""
