//! The listings of the book, compiled and run. A chapter in `docs` includes the parts between `ANCHOR` lines.

mod extending;
mod first_network;
mod hardware_aware;
mod on_chip;
mod question;
mod readme;
mod reference;
mod ten_years;
mod tiles;
