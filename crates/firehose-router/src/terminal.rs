//! What is written for people: tables, colors, and text from outside that a terminal can show.

mod color;
mod shown;
mod table;

pub(crate) use self::{
    color::{ColorWhen, Paint, Palette},
    shown::{cut, cut_painted, shown},
    table::{Cell, Column, Table},
};
