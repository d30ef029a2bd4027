"""The fire drill: every alert of the table goes off once, through real programs, and calms down again."""
